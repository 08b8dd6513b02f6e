"""The earth mover's distance between two clouds of equal size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import checks, transforms
from .group import group
from .library import registrations

# Up to this many points the exact matching takes fractions of a second.
EXACT_SIZE = 2048


class EarthMovers(NamedTuple):
    """What `earth_movers_distance` returns."""

    distance: Tensor  # (B,)
    error: Tensor  # (B,)
    match: Tensor  # (B, N)


# So that torch.export.save takes a program that returns it.
torch.utils._pytree._register_namedtuple(EarthMovers, serialized_type_name="nvc3d.ops.EarthMovers")


def earth_movers_distance(
    x: Tensor,
    y: Tensor,
    *,
    lengths: Tensor | None = None,
    tolerance: float | None = None,
    check_finite: bool = True,
) -> EarthMovers:
    """Measure how far the points of x must move, on average, to become those of y.

    Every point of x is matched with a point of y of its own, so that the mean distance is least.
    By default clouds of up to 2048 points are matched exactly; larger ones by an auction in which
    a price increment, epsilon, stands for the regularisation: it is lowered until the distance is
    proven to be within 1 % of the least. The exact matching is found from the auction's prices by
    shortest augmenting paths; they also match, exactly, what an auction would take long for: clouds
    far apart, in many dimensions, or all in one place. Deterministic. Memory grows with N in up to
    four dimensions; in more, 8 N^2 bytes for each cloud that a thread works on, up to N = 4096,
    above which it grows with N again. (Fan, Su, Guibas, "A Point Set Generation Network for 3D
    Object Reconstruction from a Single Image", CVPR 2017; Bertsekas, "The auction algorithm: a
    distributed relaxation method for the assignment problem", 1988; Jonker, Volgenant, "A shortest
    augmenting path algorithm for dense and sparse linear assignment problems", 1987.)

    Args:
        x: points (B, N, D), any float dtype; half and bfloat16 are computed, and returned, in
            float32.
        y: points (B, N, D): as many as x.
        lengths: integers (B,): how many points of each x, and of each y, are real.
        tolerance: the share by which the distance may be above the least: 0 for the exact
            matching, 0.01 for 1 %. None: 0 for N up to 2048, else 0.01.
        check_finite: refuse NaN and inf. Switch it off only for points known to be finite; with
            others the result is then undefined. The check costs one read of the points.

    Returns:
        distance (B,): the mean of the plain (not squared) Euclidean distances, differentiable in
        x and y with the matching held fixed; 0 is the gradient where two points coincide.
        error (B,): the least distance there is lies between distance - error and distance; 0, or
        as small as rounding, for the exact matching.
        match (B, N), int64: the y of each x; 0 in padding.

    Raises:
        ValueError: on clouds that are empty or of different sizes, NaN or inf, a negative
            tolerance, and shapes, dtypes, devices or lengths that do not fit together.
    """
    x, y = checks.as_points(x, "x"), checks.as_points(y, "y")
    lengths = checks.as_lengths(lengths, "lengths")
    if tolerance is None:
        tolerance = 0.0 if x.dim() > 1 and x.shape[1] <= EXACT_SIZE else 0.01
    match, error = torch.ops.nvc3d.optimal_matching(
        x.detach(), y.detach(), lengths, float(tolerance), check_finite
    )
    difference = x - group(y, match[..., None])[:, :, 0]  # (B, N, D)
    if lengths is None:
        distance = torch.linalg.vector_norm(difference, dim=-1).mean(1)
    else:
        padded = torch.arange(x.shape[1], device=x.device) >= lengths[:, None]  # (B, N)
        difference = difference.masked_fill(padded[..., None], 0)
        distance = torch.linalg.vector_norm(difference, dim=-1).sum(1) / lengths
    return EarthMovers(distance, error, match)


@torch.library.register_fake("nvc3d::optimal_matching")
def _fake(
    x: Tensor, y: Tensor, lengths: Tensor | None, tolerance: float, check_finite: bool
) -> tuple[Tensor, Tensor]:
    checks.check_matching(x, y, lengths, tolerance)
    return x.new_empty(x.shape[:2], dtype=torch.int64), x.new_empty(x.shape[0])


def _match_on_the_cpu(
    x: Tensor, y: Tensor, lengths: Tensor | None, tolerance: float, check_finite: bool
) -> tuple[Tensor, Tensor]:
    """`optimal_matching` of CUDA tensors: its bids follow one upon the other, as GPUs dislike."""
    checks.check_matching(x, y, lengths, tolerance)
    lengths = None if lengths is None else lengths.cpu()
    match, error = torch.ops.nvc3d.optimal_matching(
        x.cpu(), y.cpu(), lengths, tolerance, check_finite
    )
    return match.to(x.device), error.to(x.device)


registrations.impl("optimal_matching", _match_on_the_cpu, "CUDA")
transforms.register_no_gradient("optimal_matching")
transforms.register_vmap("optimal_matching")
