"""Every contender's answer against float64: how far off it is, as one number."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Pairs that are checked where checking all of them would take longer than the benchmark.
_PAIRS = 40_000_000
_PICKS = 200


def _exact(x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Some rows of one cloud, and their k least squared distances to y in float64."""
    rows = torch.linspace(0, x.shape[0] - 1, min(_PAIRS // y.shape[0], x.shape[0])).long()
    target = y.double()
    least = []
    for block in x[rows].double().split(max(1, 20_000_000 // y.shape[0])):
        table = torch.zeros(block.shape[0], y.shape[0], dtype=torch.float64)
        for d in range(x.shape[1]):
            table += (block[:, None, d] - target[None, :, d]).square()
        least.append(table.topk(k, largest=False).values)
    return rows, torch.cat(least)


def _relative(got: Tensor, exact: Tensor, scale: float) -> float:
    """The largest error, relative to the distance or, for tiny ones, to the cloud's rounding."""
    return float(((got.double() - exact).abs() / (exact + scale)).max())


def _rounding(x: Tensor) -> float:
    """Squared rounding of the coordinates: what float32 cannot tell from 0."""
    return float((x.abs().max().double() * torch.finfo(torch.float32).eps) ** 2)


def distances(answer: Any, x: Tensor, y: Tensor) -> float:
    there = torch.as_tensor(np.asarray(answer[0]))
    rows, exact = _exact(x[0], y[0], 1)
    return _relative(there[0, rows], exact[:, 0], _rounding(x))


def neighbours(answer: Any, x: Tensor, k: int) -> float:
    """Without the first neighbour, the point itself: 0 has no relative error."""
    rows, exact = _exact(x[0], x[0], k)
    got = torch.as_tensor(np.asarray(answer))[0, rows]
    return _relative(got[:, 1:], exact[:, 1:], _rounding(x))


def nearest_k(answer: Any, x: Tensor, y: Tensor, k: int) -> float:
    rows, exact = _exact(x[0], y[0], k)
    return _relative(torch.as_tensor(np.asarray(answer))[0, rows], exact, _rounding(x))


def gradient(answer: Tensor, x: Tensor, y: Tensor) -> float:
    """Against the gradient in float64, with the neighbours of a tree in float64."""
    from scipy.spatial import cKDTree

    a, b = x[0].double().numpy(), y[0].double().numpy()
    expected = (a - b[cKDTree(b).query(a)[1]]) * (2 / len(a))
    owner = cKDTree(a).query(b)[1]
    np.add.at(expected, owner, (a[owner] - b) * (2 / len(b)))
    expected /= x.shape[0]
    return float(np.abs(answer[0].double().numpy() - expected).max() / np.abs(expected).max())


def within(answer: Any, x: Tensor, radius: float, k: int) -> float:
    """Share of queries with too few or too many neighbours, or with one beyond the radius."""
    queries = x[0, ::4]
    rows = torch.linspace(0, len(queries) - 1, min(_PAIRS // x.shape[1], len(queries))).long()
    got = torch.as_tensor(np.asarray(answer))[0, rows]
    table = torch.cdist(
        queries[rows].double(), x[0].double(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    # On the edge float32 may decide either way.
    least, most = (table < radius * (1 - 1e-6)).sum(1), (table < radius * (1 + 1e-6)).sum(1)
    count = got.isfinite().sum(1)
    wrong = (count < least.clamp_max(k)) | (count > most.clamp_max(k))
    far = got.where(got.isfinite(), 0).amax(1) > radius**2 * (1 + 1e-5)
    return float((wrong | far).double().mean())


def picks(answer: Any, x: Tensor, k: int) -> float:
    """How much nearer than the farthest point the worst of the first picks was.

    Not checked (nan) for an answer of points, whose order is not that of the picks.
    """
    chosen = torch.as_tensor(np.asarray(answer))[0]
    if chosen.dim() == 2:
        return float("nan")
    cloud = x[0].double()
    places = cloud[chosen.long()]  # (k, 3)
    distance = torch.full((cloud.shape[0],), float("inf"), dtype=torch.float64)
    worst = 0.0
    for earlier, pick in pairwise(places[:_PICKS]):
        distance = torch.minimum(distance, (cloud - earlier).square().sum(1))
        farthest = float(distance.max())
        mine = float(distance[(cloud - pick).square().sum(1).argmin()])
        worst = max(worst, 1 - mine / farthest if farthest > 0 else 0.0)
    return worst


def pooled(answer: Tensor, values: Tensor, index: Tensor) -> float:
    """The gradient of the mean of maximum and sum, against that in float64."""
    batch, rows, k = index.shape
    flat = index.view(batch, rows * k, 1).expand(-1, -1, values.shape[2])
    given = values.double().requires_grad_()
    around = given.gather(1, flat).view(batch, rows, k, -1)
    (expected,) = torch.autograd.grad(around.max(2).values.mean() + around.sum(2).mean(), given)
    return float((answer.double() - expected).abs().max() / expected.abs().max())


def matching(answer: Tensor, x: Tensor, y: Tensor) -> float:
    """The mean distance, against SciPy's in float64."""
    from scipy.optimize import linear_sum_assignment

    table = torch.cdist(
        x[0].double(), y[0].double(), compute_mode="donot_use_mm_for_euclid_dist"
    ).numpy()
    expected = float(table[linear_sum_assignment(table)].mean())
    return abs(float(answer[0]) / expected - 1)


def anchors(answer: Any, z: Tensor, a: Tensor) -> float:
    """Share of wrong anchors: those farther than the nearest by more than float32 can tell."""
    chosen = torch.as_tensor(np.asarray(answer)).long()
    rows = torch.linspace(0, z.shape[0] - 1, min(2000, z.shape[0])).long()
    table = torch.cdist(
        z[rows].double(), a.double(), compute_mode="donot_use_mm_for_euclid_dist"
    ).square()
    got = table.gather(1, chosen[rows, None])[:, 0]
    return float((got > table.amin(1) * (1 + 1e-5)).double().mean())
