"""PyTorch3D's point operators over ours: its signatures, defaults, padding and return types.

    from nvc3d.compat.pytorch3d import chamfer_distance, knn_points

Results are PyTorch3D's on valid input. Beyond it, float64 is computed in float64 and half in
float32, gradients can be differentiated again, and NaN or infinite points are refused. Wherever a
cloud is expected, so is anything with PyTorch3D's `Pointclouds` methods.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import ops
from ..ops import Neighbours, checks, group
from .ragged import ragged, zero_of


class KNN(NamedTuple):
    """What `knn_points` and `ball_query` return."""

    dists: Tensor
    idx: Tensor
    knn: Tensor | None


_KNN = KNN  # the name it has in PyTorch3D


def chamfer_distance(
    x: Any,
    y: Any,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    x_normals: Tensor | None = None,
    y_normals: Tensor | None = None,
    weights: Tensor | None = None,
    batch_reduction: Literal["mean", "sum"] | None = "mean",
    point_reduction: Literal["mean", "sum", "max"] | None = "mean",
    norm: int = 2,
    single_directional: bool = False,
    abs_cosine: bool = True,
) -> tuple[Any, Any]:
    """Measure the Chamfer distance of two batches of clouds, and how their normals differ.

    Args:
        x: (N, P1, D) or a `Pointclouds`, which brings its own lengths and normals.
        y: (N, P2, D) or a `Pointclouds`.
        x_lengths: integers (N,): how many points of each x are real. A cloud without points adds
            0, with a warning.
        y_lengths: the same for y.
        x_normals: (N, P1, 3); normals are compared where both clouds have them.
        y_normals: (N, P2, 3).
        weights: (N,), not negative: weights of the clouds in the batch.
        batch_reduction: "mean" (by the weights), "sum" or None.
        point_reduction: "mean", "sum", "max" (of both directions: the Hausdorff distance) or
            None.
        norm: 2 for squared Euclidean distances, 1 for L1 distances.
        single_directional: only from x to y.
        abs_cosine: opposite normals count as equal.

    Returns:
        The loss, and that of the normals: the mean of one minus the cosine, or None without
        normals. With point_reduction=None each is a pair for the two directions, (N, P1) and
        (N, P2), or the first of it if single_directional.

    Raises:
        ValueError: on NaN or inf, negative weights, unknown options, and shapes, dtypes or
            lengths that do not fit together.
    """
    _check_reductions(batch_reduction, point_reduction)
    _check_norm(norm)
    x, x_lengths, x_normals = _unpack(x, x_lengths, x_normals, "x")
    y, y_lengths, y_normals = _unpack(y, y_lengths, y_normals, "y")
    if point_reduction == "max" and (x_normals is not None or y_normals is not None):
        raise ValueError('normals must be None where point_reduction is "max"')
    checks.check_pair(x, y)
    _check_weights(weights, x)
    if not _whole(x, y, x_lengths, y_lengths):
        x_lengths, y_lengths = _counts(x_lengths, x), _counts(y_lengths, y)
        _warn_of_empty(x_lengths, y_lengths)

    if weights is not None and not weights.any():
        # PyTorch3D's own answer has this shape, and a second loss even without normals.
        zeros = zero_of(x, y) * weights[:, None] * weights  # (N, N)
        count = 1 if single_directional else 2
        losses, normal_losses = [zeros] * count, [zeros.clone()] * count
    else:
        found = _nearest(x, y, x_lengths, y_lengths, norm, both=not single_directional)
        here, there = (x_lengths, x_normals), (y_lengths, y_normals)
        losses, normal_losses = [], []
        for (distance, index), (lengths, normals), (other_lengths, other_normals) in zip(
            found, (here, there), (there, here), strict=False
        ):
            losses.append(_over_points(distance, lengths, weights, point_reduction))
            if normals is not None and other_normals is not None:
                near = knn_gather(other_normals, index[..., None], other_lengths)[..., 0, :]
                cosine = _cosine_distance(normals, near, lengths, abs_cosine)
                normal_losses.append(_over_points(cosine, lengths, weights, point_reduction))
    loss, normal_loss = (_combine(side, point_reduction) for side in (losses, normal_losses))
    if batch_reduction is None:
        return loss, normal_loss
    total: Any = 1
    if batch_reduction == "mean":
        total = (x.shape[0] if weights is None else weights.sum()) or 1
    return loss.sum() / total, None if normal_loss is None else normal_loss.sum() / total


def knn_points(
    p1: Tensor,
    p2: Tensor,
    lengths1: Tensor | None = None,
    lengths2: Tensor | None = None,
    norm: int = 2,
    K: int = 1,
    version: int = -1,
    return_nn: bool = False,
    return_sorted: bool = True,
) -> KNN:
    """Find the K nearest neighbours in p2 of every point of p1, nearest first.

    Args:
        p1: (N, P1, D).
        p2: (N, P2, D).
        lengths1: integers (N,): how many points of each cloud are real.
        lengths2: the same for p2. A cloud may have fewer than K points, or none.
        norm: 2 for squared Euclidean distances, 1 for L1 distances.
        K: how many neighbours, at least 1.
        version: accepted and without effect: there is one implementation.
        return_nn: also return the neighbours themselves.
        return_sorted: without effect: the neighbours are always sorted.

    Returns:
        (dists, idx, knn): distances (N, P1, K), indices (N, P1, K), both 0 where there is no
        neighbour, and the neighbours (N, P1, K, D), or None.

    Raises:
        ValueError: on NaN or inf, and on shapes, dtypes or lengths that do not fit together.
    """
    _check_norm(norm)
    _check_points(p1, p2, K)
    search = partial(ops.knn, norm=norm)
    distance, index = _search(search, p1, p2, lengths1, lengths2, K, least=K, padding=0)
    neighbours = knn_gather(p2, index, lengths2) if return_nn else None
    return KNN(distance, index, neighbours)


def knn_gather(x: Tensor, idx: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Gather the values of the neighbours that `knn_points` found.

    Args:
        x: values (N, M, U).
        idx: (N, L, K), as `knn_points` returns it.
        lengths: integers (N,): how many values of each cloud are real.

    Returns:
        (N, L, K, U): x[n, idx[n, l, k]], and 0 for k >= lengths[n].

    Raises:
        ValueError: on an index out of range and on shapes that do not fit together.
    """
    if x.dim() == 3 and x.shape[1] == 0:
        return x.new_zeros(*idx.shape, x.shape[2]) + zero_of(x, x)
    lengths = _lengths(lengths, x, "x")
    if lengths is None and idx.shape[2] <= x.shape[1]:
        return group(x, idx)
    counts = _counts(lengths, x)
    missing = torch.arange(idx.shape[2], device=x.device) >= counts[:, None]  # (N, K)
    return group(x, idx.masked_fill(missing[:, None], -1))


def ball_query(
    p1: Tensor,
    p2: Tensor,
    lengths1: Tensor | None = None,
    lengths2: Tensor | None = None,
    K: int = 500,
    radius: float = 0.2,
    return_nn: bool = True,
    skip_points_outside_cube: bool = False,
) -> KNN:
    """Find for every point of p1 the first K points of p2, by index, within a radius.

    Args:
        p1: centres (N, P1, D).
        p2: (N, P2, D).
        lengths1: integers (N,): how many points of each cloud are real.
        lengths2: the same for p2.
        K: how many points at most, at least 1.
        radius: plain distance; points nearer than it count.
        return_nn: also return the points themselves.
        skip_points_outside_cube: accepted and without effect on the result.

    Returns:
        (dists, idx, knn): squared distances (N, P1, K), 0 where there is no point, indices
        (N, P1, K), -1 there, and the points (N, P1, K, D), 0 there, or None.

    Raises:
        ValueError: on NaN or inf, a negative radius, and shapes, dtypes or lengths that do not
            fit together.
    """
    _check_points(p1, p2, K)
    if not radius >= 0:
        raise ValueError(f"radius must not be negative, got {radius}")
    # The radius is rounded to float32 before it is squared, as PyTorch3D does.
    rounded = radius if p1.dtype == torch.float64 else float(np.float32(radius))

    def search(x: Tensor, y: Tensor, k: int, *lengths: Tensor | None) -> Neighbours:
        return ops.ball_query(x, y, rounded, k, *lengths)

    distance, index = _search(search, p1, p2, lengths1, lengths2, K, least=1, padding=-1)
    return KNN(distance, index, knn_gather(p2, index) if return_nn else None)


def sample_farthest_points(
    points: Tensor,
    lengths: Tensor | None = None,
    K: int | Sequence[int] | Tensor = 50,
    random_start_point: bool = False,
) -> tuple[Tensor, Tensor]:
    """Pick K points of each cloud, each as far as can be from all picked before it.

    Args:
        points: (N, P, D).
        lengths: integers (N,), at least 1: how many points of each cloud are real.
        K: how many picks, one number or one for each cloud; of a smaller cloud all points.
        random_start_point: draw the first pick by torch's generator; otherwise it is point 0.

    Returns:
        The picked points (N, max K, D), of the dtype of `points`, 0 where a cloud has fewer, and
        their indices (N, max K), -1 there.

    Raises:
        ValueError: on an empty cloud, K below 1, NaN or inf, and shapes that do not fit together.
    """
    if points.dim() != 3:
        raise ValueError(f"points must be (N, P, D), got {tuple(points.shape)}")
    batch, size = points.shape[:2]
    if lengths is not None and lengths.shape != (batch,):
        raise ValueError(
            f"points and lengths must have the same batch dimension, got {tuple(points.shape)} "
            f"and {tuple(lengths.shape)}"
        )
    cloud = checks.as_points(points, "points").detach()
    if lengths is None and isinstance(K, int) and K >= 1 and batch > 0 and size > 0:
        # No values are read: torch can trace the call and vmap it.
        if random_start_point:
            start = torch.randint(high=size, size=(batch,), device=points.device)
        else:
            start = torch.zeros(batch, dtype=torch.int64, device=points.device)
        k = min(K, size)
        index = ops.farthest_point_sampling(cloud, k, start=start)
        index = F.pad(index, (0, K - k), value=-1)
        return knn_gather(points, index[..., None])[:, :, 0], index
    counts = _counts(_lengths(lengths, points, "points"), points)  # (N,)
    wanted = torch.as_tensor(K, device=points.device)
    wanted = wanted.expand(batch) if wanted.dim() == 0 else wanted
    if wanted.shape != (batch,):
        raise ValueError(
            f"K and points must have the same batch dimension, got {tuple(wanted.shape)} "
            f"and {tuple(points.shape)}"
        )
    if batch == 0:
        return points[:, :0], counts.new_empty(0, 0)
    if wanted.is_floating_point() or int(wanted.min()) < 1:
        raise ValueError(f"K must be whole numbers of at least 1, got {wanted.tolist()}")
    checks.check_lengths(counts, size, "points")
    if random_start_point:
        # The same draws as PyTorch3D's.
        if lengths is None:
            start = torch.randint(high=size, size=(batch,), device=points.device)
        else:
            start = (counts * torch.rand(counts.shape, device=points.device)).long()
            start = start.minimum(counts - 1)
    else:
        start = torch.zeros_like(counts)
    limits = wanted.minimum(counts)
    index = counts.new_full((batch, int(wanted.max())), -1)
    for k in limits.unique().tolist():
        rows = (limits == k).nonzero()[:, 0]
        index[rows, :k] = ops.farthest_point_sampling(cloud[rows], k, counts[rows], start[rows])
    return knn_gather(points, index[..., None])[:, :, 0], index


def _search(
    search: Callable[..., Neighbours],
    p1: Tensor,
    p2: Tensor,
    lengths1: Tensor | None,
    lengths2: Tensor | None,
    K: int,
    least: int,
    padding: int,
) -> Neighbours:
    """Search clouds that may be empty; `search` wants `least` points, and there may be fewer."""
    x, y = checks.as_points(p1, "p1"), checks.as_points(p2, "p2")
    x_lengths, y_lengths = _lengths(lengths1, x, "p1"), _lengths(lengths2, y, "p2")
    if _whole(x, y, x_lengths, y_lengths) and y.shape[1] >= least:
        return search(x, y, K)
    x_lengths, y_lengths = _counts(x_lengths, x), _counts(y_lengths, y)
    limits = y_lengths.clamp(max=K) if least == K else K * (y_lengths > 0)
    return ragged(search, x, y, x_lengths, y_lengths, limits * (x_lengths > 0), K, padding)


def _nearest(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None,
    y_lengths: Tensor | None,
    norm: int,
    both: bool,
) -> list[Neighbours]:
    """The nearest of x in y and, if both, of y in x; 0 where a cloud is empty."""

    def search(x: Tensor, y: Tensor, *lengths: Tensor) -> list[Neighbours]:
        if both:
            return list(ops.nearest_both(x, y, *lengths, norm=norm))
        return [ops.nearest(x, y, *lengths, norm=norm)]

    if x_lengths is None or y_lengths is None:
        return search(x, y)
    rows = ((x_lengths > 0) & (y_lengths > 0)).nonzero()[:, 0]
    if len(rows) == len(x) > 0:
        return search(x, y, x_lengths, y_lengths)
    zero = zero_of(x, y)
    found = [
        Neighbours(
            cloud.new_zeros(cloud.shape[:2]) + zero,
            torch.zeros(cloud.shape[:2], dtype=torch.int64, device=x.device),
        )
        for cloud in ((x, y) if both else (x,))
    ]
    if len(rows) == 0:
        return found
    parts = search(x[rows], y[rows], x_lengths[rows], y_lengths[rows])
    return [
        Neighbours(*(a.index_copy(0, rows, b) for a, b in zip(whole, part, strict=True)))
        for whole, part in zip(found, parts, strict=True)
    ]


def _over_points(
    values: Tensor, lengths: Tensor | None, weights: Tensor | None, reduction: str | None
) -> Tensor:
    """Weigh (N, P), which is 0 in padding, and reduce it to (N,)."""
    if weights is not None:
        values = values * weights[:, None]
    if reduction is None:
        return values
    if reduction == "max" and values.shape[1] > 0:
        return values.max(1).values
    total = values.sum(1)
    if reduction == "sum":
        return total
    return total / (values.shape[1] if lengths is None else lengths.clamp(min=1))


def _combine(values: list[Tensor], reduction: str | None) -> Any:
    """One value for both directions."""
    if len(values) < 2:
        return values[0] if values else None
    if reduction is None:
        return tuple(values)
    return torch.maximum(*values) if reduction == "max" else values[0] + values[1]


def _cosine_distance(
    normals: Tensor, near: Tensor, lengths: Tensor | None, absolute: bool
) -> Tensor:
    """One minus the cosine between normals (N, P, 3), 0 in padding: (N, P)."""
    padded = (
        torch.arange(normals.shape[1], device=normals.device) >= _counts(lengths, normals)[:, None]
    )
    # Whatever stands in the padding must not reach the gradient.
    normals = normals.masked_fill(padded[..., None], 0)
    cosine = F.cosine_similarity(normals, near, dim=2, eps=1e-6)
    return (1 - (cosine.abs() if absolute else cosine)).masked_fill(padded, 0)


def _unpack(
    points: Any, lengths: Tensor | None, normals: Tensor | None, name: str
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Points, lengths and normals of a tensor or of an object like `Pointclouds`."""
    if hasattr(points, "points_padded") and hasattr(points, "num_points_per_cloud"):
        lengths = points.num_points_per_cloud()
        normals = points.normals_padded()
        points = points.points_padded()
    elif not isinstance(points, Tensor):
        raise ValueError(
            f"{name} must be one of Pointclouds objects or torch.Tensor (N, P, D), got "
            f"{type(points).__name__}"
        )
    if points.dim() != 3:
        raise ValueError(
            f"Expected points to be of shape (N, P, D), got {tuple(points.shape)} for {name}"
        )
    if normals is not None:
        if normals.dim() != 3 or normals.shape[:2] != points.shape[:2]:
            raise ValueError(
                f"Expected normals to be of shape ({points.shape[0]}, {points.shape[1]}, 3), got "
                f"{tuple(normals.shape)} for {name}"
            )
        normals = checks.as_points(normals, f"{name}_normals")
    return checks.as_points(points, name), _lengths(lengths, points, name), normals


def _whole(x: Tensor, y: Tensor, x_lengths: Tensor | None, y_lengths: Tensor | None) -> bool:
    """Whether it is plain from the shapes that no cloud is empty or padded.

    Then no values are read: torch can trace the call and vmap it.
    """
    given = x_lengths is not None or y_lengths is not None
    return not given and x.shape[0] > 0 and x.shape[1] > 0 and y.shape[1] > 0


def _counts(lengths: Tensor | None, points: Tensor) -> Tensor:
    """How many points each cloud has: (N,)."""
    if lengths is not None:
        return lengths
    return torch.full(points.shape[:1], points.shape[1], device=points.device)


def _lengths(lengths: Tensor | None, points: Tensor, name: str) -> Tensor | None:
    """Lengths (N,) of a batch (N, P, D), int64; 0 is allowed here."""
    batch, size = points.shape[:2]
    lengths = checks.as_lengths(lengths, f"the lengths of {name}")
    if lengths is None:
        return None
    if lengths.shape != (batch,):
        raise ValueError(
            f"Expected lengths to be of shape ({batch},), got {tuple(lengths.shape)} for {name}"
        )
    bad = ((lengths < 0) | (lengths > size)).nonzero()
    if len(bad):
        b = int(bad[0])
        raise ValueError(
            f"the lengths of {name} must be from 0 to {size}, got {int(lengths[b])} at position {b}"
        )
    return lengths


def _check_points(p1: Tensor, p2: Tensor, K: int) -> None:
    for points, name in ((p1, "p1"), (p2, "p2")):
        if points.dim() != 3:
            raise ValueError(f"{name} must be (N, P, D), got {tuple(points.shape)}")
    checks.check_pair(p1, p2, "p1", "p2")
    if K < 1:
        raise ValueError(f"K must be at least 1, got {K}")


def _check_norm(norm: int) -> None:
    if norm not in (1, 2):
        raise ValueError(f"Support for 1 or 2 norm. Got {norm}")


def _check_reductions(batch: str | None, point: str | None) -> None:
    if batch not in ("mean", "sum", None):
        raise ValueError(f'batch_reduction must be one of "mean", "sum" or None, got {batch!r}')
    if point not in ("mean", "sum", "max", None):
        raise ValueError(
            f'point_reduction must be one of "mean", "sum", "max" or None, got {point!r}'
        )
    if point is None and batch is not None:
        raise ValueError(
            f"batch_reduction must be None where point_reduction is None, got {batch!r}"
        )


def _check_weights(weights: Tensor | None, x: Tensor) -> None:
    if weights is None:
        return
    if weights.shape != (len(x),):
        raise ValueError(f"weights must be ({len(x)},), got {tuple(weights.shape)}")
    if not bool((weights >= 0).all() and weights.isfinite().all()):
        raise ValueError(f"weights must be finite and not negative, got {weights.tolist()}")


def _warn_of_empty(x_lengths: Tensor, y_lengths: Tensor) -> None:
    empty = ((x_lengths == 0) | (y_lengths == 0)).nonzero()[:, 0].tolist()
    if empty:
        warnings.warn(
            f"clouds without points add 0 to the Chamfer distance, as in PyTorch3D; they are at "
            f"positions {empty} of the batch",
            stacklevel=3,
        )
