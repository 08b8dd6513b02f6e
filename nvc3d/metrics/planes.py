"""How well points are told apart by their planes: -1 is "no plane", in answers and in the truth.

Papers count two ways under the same names. Over "all" points what is in no plane is one more
segment, as in PlaneRCNN's code and, per vertex, in that of PlanarRecon; over "planar" points only
those count that are on a plane in the truth, as in PlaneTR's. The same answer has other numbers in
each, so tables must say which.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

IOU = 0.5
"""What a plane of the answer and a true one must have in common, and more, to be the same."""


class Agreement(NamedTuple):
    """How two ways to cut the same points into segments agree."""

    rand_index: float  # the share of pairs that both join or both part; 1 is best
    variation_of_information: float  # in bits; 0 is best
    covering: float  # by the best IoU of every segment, weighted by its points; 1 is best


def plane_agreement(predicted: Tensor, truth: Tensor, over: str) -> Agreement:
    """Compare planes (N,) with true ones (N,), over "all" points or the "planar" ones.

    The covering is the mean of that of the truth by the answer and of the answer by the truth.
    (Rand, "Objective criteria for the evaluation of clustering methods", JASA 66, 1971; Meilă,
    "Comparing clusterings by the variation of information", COLT 2003; Arbeláez et al., "Contour
    detection and hierarchical image segmentation", PAMI 33(5), 2011.) Raises ValueError on planes
    of different shapes, fewer than two points that count, and another `over`.
    """
    _check(predicted, truth)
    if over not in ("all", "planar"):
        raise ValueError(f'over must be "all" or "planar", got {over!r}')
    if over == "planar":
        predicted, truth = predicted[truth >= 0], truth[truth >= 0]
    n = len(truth)
    if n < 2:
        raise ValueError(f"at least two points must count, got {n} over {over!r}")
    both = _table(predicted, truth)  # (P, T)
    answered, true = both.sum(1), both.sum(0)
    apart = (answered.square().sum() + true.square().sum()) / 2 - both.square().sum()
    mutual = _entropy(answered / n) + _entropy(true / n) - _entropy(both / n)
    information = _entropy(answered / n) + _entropy(true / n) - 2 * mutual
    iou = both / (answered[:, None] + true - both)
    covering = (iou.amax(0) @ true + iou.amax(1) @ answered) / (2 * n)
    return Agreement(
        float(1 - apart / (n * (n - 1) / 2)), float(information.clamp(min=0)), float(covering)
    )


def planes_found(
    predicted: Tensor, truth: Tensor, difference: Tensor, thresholds: Tensor
) -> tuple[Tensor, Tensor]:
    """Which true planes are found: (T, S) bool for S thresholds, and the points of each, (T,).

    A true plane is found by a plane of the answer with an IoU above 0.5 where the mean difference
    (N,), by which a point is off its true place on the answer's plane, is at most the threshold
    over the points that they share. Plane recall is the mean of the first over the planes of all
    clouds together, pixel recall its mean weighted by the second. (Liu et al., "PlaneNet", CVPR
    2018.) Raises ValueError on planes or differences of different shapes.
    """
    _check(predicted, truth)
    if difference.shape != truth.shape:
        raise ValueError(f"difference must be {tuple(truth.shape)}, got {tuple(difference.shape)}")
    found, points = [], []
    for plane in truth[truth >= 0].unique():
        own = truth == plane
        shared = predicted[own & (predicted >= 0)]
        points.append(int(own.sum()))
        off = torch.inf
        if len(shared):
            best = shared.mode().values
            in_both = own & (predicted == best)
            if in_both.sum() > IOU * (own | (predicted == best)).sum():
                off = float(difference[in_both].double().mean())
        found.append(off <= thresholds)
    empty = torch.zeros(0, len(thresholds), dtype=torch.bool)
    return torch.stack(found) if found else empty, torch.tensor(points)


def _check(predicted: Tensor, truth: Tensor) -> None:
    if predicted.shape != truth.shape or truth.dim() != 1:
        raise ValueError(
            "predicted and truth must both be (N,), "
            f"got {tuple(predicted.shape)} and {tuple(truth.shape)}"
        )


def _table(one: Tensor, other: Tensor) -> Tensor:
    """How many points each segment of one shares with each of the other: float64."""
    one, other = one.unique(return_inverse=True)[1], other.unique(return_inverse=True)[1]
    rows, columns = int(one.max()) + 1, int(other.max()) + 1
    return torch.bincount(one * columns + other, minlength=rows * columns).view(rows, -1).double()


def _entropy(shares: Tensor) -> Tensor:
    """In bits."""
    return -torch.special.xlogy(shares, shares).sum() / torch.log(torch.tensor(2.0).double())
