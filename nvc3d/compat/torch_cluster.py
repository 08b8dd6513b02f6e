"""torch-cluster's point operators over ours: its signatures, defaults and return types.

    from nvc3d.compat.torch_cluster import fps, knn_graph

Clouds lie one after the other, (N, F), and sorted batch vectors (N,) say which point belongs to
which cloud. Results are torch-cluster's on valid input. Beyond it, k has no upper bound, `fps`
follows torch's seed and is right in any unit, `cosine` works on every device, and NaN or infinite
points are refused. Where torch-cluster chooses at random or in the order of a tree, here it is
the order of the indices. The functions can be scripted by `torch.jit`.
"""

# torch.jit reads the types in this file while it runs: so no `from __future__ import annotations`.
from functools import partial

import torch
from torch import Tensor

from .. import ops
from ..ops import checks
from .packed import (
    Padded,
    cloud_count,
    counts_from,
    counts_of,
    farthest,
    packed_points,
    padded_pairs,
)
from .ragged import ragged


def fps(
    src: Tensor,
    batch: Tensor | None = None,
    ratio: Tensor | float | None = None,
    random_start: bool = True,
    batch_size: int | None = None,
    ptr: Tensor | list[int] | None = None,
) -> Tensor:
    """Pick a share of the points of each cloud, each as far as can be from all before it.

    Args:
        src: (N, F).
        batch: integers (N,), sorted: the cloud of each point; None for one cloud.
        ratio: how much of each cloud, above 0 and up to 1 and rounded up to whole points; a
            number, or one for each cloud. Default 0.5.
        random_start: draw each first pick by torch's generator; otherwise it is the first point.
        batch_size: the number of clouds; counted if None.
        ptr: (clouds + 1,), where each cloud begins; stands in for batch.

    Returns:
        Indices into src, int64, cloud after cloud, each in the order of the picks.

    Raises:
        ValueError: on NaN or inf, a ratio out of range, and batch vectors that are not sorted or
            do not fit.
    """
    return _fps(src, batch, ratio, random_start, batch_size, ptr)


def grid_cluster(
    pos: Tensor,
    size: Tensor,
    start: Tensor | None = None,
    end: Tensor | None = None,
) -> Tensor:
    """Number the cells of a regular grid, and say in which each point lies.

    Args:
        pos: (N, D), or (N,) for D = 1.
        size: (D,), the edges of a cell, above 0.
        start: (D,), where the grid begins; by default at the least coordinates.
        end: (D,), where it ends, for the numbers of cells; by default at the greatest.

    Returns:
        The number of each point's cell (N,), int64; the first coordinate counts fastest.

    Raises:
        ValueError: on NaN or inf, sizes that are not above 0, and shapes that do not fit.
    """
    return _grid_cluster(pos, size, start, end)


def knn(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Find for every point of y the k nearest points of x in the same cloud.

    Args:
        x: (N, F), or (N,) for F = 1.
        y: (M, F), or (M,).
        k: how many neighbours, at least 1; of a smaller cloud all points.
        batch_x: integers (N,), sorted: the cloud of each x; None for one cloud.
        batch_y: integers (M,), the same for y.
        cosine: nearest by the angle as seen from the origin, not by the distance.
        num_workers: accepted and without effect: torch's threads do the work.
        batch_size: the number of clouds; counted if None.

    Returns:
        (2, pairs): indices into y and, nearest first, into x.

    Raises:
        ValueError: on NaN or inf, k below 1, and batch vectors that are not sorted or do not fit.
    """
    return _knn(x, y, k, batch_x, batch_y, cosine, batch_size)


def knn_graph(
    x: Tensor,
    k: int,
    batch: Tensor | None = None,
    loop: bool = False,
    flow: str = "source_to_target",
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Connect every point with its k nearest points.

    Args:
        x: (N, F).
        k: how many neighbours, at least 1; of a smaller cloud all points.
        batch: integers (N,), sorted: the cloud of each point; None for one cloud.
        loop: also connect each point with itself; the point is then one of its k.
        flow: "source_to_target": edges (neighbour, point); "target_to_source": the other way.
        cosine: nearest by the angle as seen from the origin, not by the distance.
        num_workers: accepted and without effect: torch's threads do the work.
        batch_size: the number of clouds; counted if None.

    Returns:
        (2, edges), int64.

    Raises:
        ValueError: as `knn`, and on another flow.
    """
    return _knn_graph(x, k, batch, loop, flow, cosine, batch_size)


def nearest(
    x: Tensor,
    y: Tensor,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
) -> Tensor:
    """Find for every point of x the nearest point of y in the same cloud.

    Args:
        x: (N, F), or (N,) for F = 1.
        y: (M, F), or (M,).
        batch_x: integers (N,), sorted: the cloud of each x; None for one cloud.
        batch_y: integers (M,), the same for y.

    Returns:
        Indices into y (N,), int64.

    Raises:
        ValueError: on NaN or inf, on batch vectors that are not sorted or do not fit, and where
            only one of x and y has points of a cloud.
    """
    return _nearest(x, y, batch_x, batch_y)


def radius(
    x: Tensor,
    y: Tensor,
    r: float,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    max_num_neighbors: int = 32,
    num_workers: int = 1,
    batch_size: int | None = None,
    ignore_same_index: bool = False,
) -> Tensor:
    """Find for every point of y the points of x of the same cloud within a distance.

    Args:
        x: (N, F), or (N,) for F = 1.
        y: (M, F), or (M,).
        r: plain distance, not negative; points nearer than it count.
        batch_x: integers (N,), sorted: the cloud of each x; None for one cloud.
        batch_y: integers (M,), the same for y.
        max_num_neighbors: how many at most, at least 1: the first by their index.
        num_workers: accepted and without effect: torch's threads do the work.
        batch_size: the number of clouds; counted if None.
        ignore_same_index: leave out the point of x with the index of the point of y.

    Returns:
        (2, pairs): indices into y and, in rising order, into x.

    Raises:
        ValueError: on NaN or inf, a negative r, max_num_neighbors below 1, and batch vectors
            that are not sorted or do not fit.
    """
    return _radius(x, y, r, batch_x, batch_y, max_num_neighbors, batch_size, ignore_same_index)


def radius_graph(
    x: Tensor,
    r: float,
    batch: Tensor | None = None,
    loop: bool = False,
    max_num_neighbors: int = 32,
    flow: str = "source_to_target",
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Connect every point with the points within a distance.

    Args:
        x: (N, F).
        r: plain distance, not negative; points nearer than it count.
        batch: integers (N,), sorted: the cloud of each point; None for one cloud.
        loop: also connect each point with itself.
        max_num_neighbors: how many at most, at least 1: the first by their index.
        flow: "source_to_target": edges (neighbour, point); "target_to_source": the other way.
        num_workers: accepted and without effect: torch's threads do the work.
        batch_size: the number of clouds; counted if None.

    Returns:
        (2, edges), int64.

    Raises:
        ValueError: as `radius`, and on another flow.
    """
    return _radius_graph(x, r, batch, loop, max_num_neighbors, flow, batch_size)


# What follows is plain Python to torch.jit: a scripted function calls it and does not compile it.


@torch.jit.ignore
def _fps(
    src: Tensor,
    batch: Tensor | None,
    ratio: Tensor | float | None,
    random_start: bool,
    batch_size: int | None,
    ptr: Tensor | list[int] | None,
) -> Tensor:
    if src.numel() == 0:
        raise ValueError(f"src must not be empty, got {tuple(src.shape)}")
    points = packed_points(src.detach().reshape(len(src), -1), "src")
    if ptr is None:
        counts = counts_of(batch, points, cloud_count(batch, points, "batch", batch_size))  # (B,)
    else:
        counts = counts_from(torch.as_tensor(ptr, device=src.device), points)
    share = torch.as_tensor(0.5 if ratio is None else ratio, device=src.device)
    if src.is_floating_point() and not isinstance(ratio, Tensor):
        share = share.to(src.dtype)  # as torch-cluster rounds it, for the same number of picks
    if share.numel() not in (1, len(counts)) or not bool(((share > 0) & (share <= 1)).all()):
        raise ValueError(
            f"ratio must be above 0 and at most 1, one number or one for each of {len(counts)} "
            f"clouds, got {share.tolist()}"
        )
    wanted = (counts.float() * share).ceil().long()  # (B,)
    if random_start:
        draw = torch.rand(len(counts), dtype=torch.float64, device=src.device)
        start = (draw * counts).long()
    else:
        start = torch.zeros_like(counts)
    return farthest(points, counts, wanted, start)


@torch.jit.ignore
def _grid_cluster(pos: Tensor, size: Tensor, start: Tensor | None, end: Tensor | None) -> Tensor:
    pos = pos.reshape(len(pos), -1)
    for value, name in ((size, "size"), (start, "start"), (end, "end")):
        if value is not None and value.numel() != pos.shape[1]:
            raise ValueError(f"{name} must be ({pos.shape[1]},), got {tuple(value.shape)}")
    checks.check_values(pos, None, "pos")
    if not bool((size > 0).all()):
        raise ValueError(f"size must be above 0, got {size.tolist()}")
    if len(pos) == 0:
        return torch.empty(0, dtype=torch.int64, device=pos.device)
    start = pos.amin(0) if start is None else start.reshape(-1)
    end = pos.amax(0) if end is None else end.reshape(-1)
    cells = ((end - start) / size.reshape(-1)).long() + 1  # (D,)
    stride = cells.cumprod(0) // cells
    return (((pos - start) / size.reshape(-1)).long() * stride).sum(1)


@torch.jit.ignore
def _knn(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: Tensor | None,
    batch_y: Tensor | None,
    cosine: bool,
    batch_size: int | None,
) -> Tensor:
    pairs = padded_pairs(x, y, batch_x, batch_y, batch_size, cosine)
    return _joined([_pairs(_neighbours(*pair, k), *pair) for pair in pairs], x)


@torch.jit.ignore
def _knn_graph(
    x: Tensor,
    k: int,
    batch: Tensor | None,
    loop: bool,
    flow: str,
    cosine: bool,
    batch_size: int | None,
) -> Tensor:
    _check_flow(flow)
    edges = []
    for pair in padded_pairs(x, x, batch, batch, batch_size, cosine):
        index = _neighbours(*pair, k + (not loop))
        edges.append(_pairs(index if loop else _without_self(index, *pair, k), *pair))
    return _directed(_joined(edges, x), flow)


@torch.jit.ignore
def _nearest(x: Tensor, y: Tensor, batch_x: Tensor | None, batch_y: Tensor | None) -> Tensor:
    pairs = padded_pairs(x, y, batch_x, batch_y, None, matched=True)
    found = [_pairs(_neighbours(there, here, 1), there, here) for here, there in pairs]
    return _joined(found, x)[1]


@torch.jit.ignore
def _radius(
    x: Tensor,
    y: Tensor,
    r: float,
    batch_x: Tensor | None,
    batch_y: Tensor | None,
    most: int,
    batch_size: int | None,
    ignore_same_index: bool,
) -> Tensor:
    if not r >= 0:
        raise ValueError(f"r must not be negative, got {r}")
    if most < 1:
        raise ValueError(f"max_num_neighbors must be at least 1, got {most}")
    found = []
    for pair in padded_pairs(x, y, batch_x, batch_y, batch_size):
        inside, centres = pair
        k = min(most + ignore_same_index, inside.points.shape[1])
        index = ops.ball_query(
            centres.points, inside.points, r, k, centres.lengths, inside.lengths, check_finite=False
        ).index
        found.append(
            _pairs(_without_self(index, *pair, most) if ignore_same_index else index, *pair)
        )
    return _joined(found, x)


@torch.jit.ignore
def _radius_graph(
    x: Tensor,
    r: float,
    batch: Tensor | None,
    loop: bool,
    most: int,
    flow: str,
    batch_size: int | None,
) -> Tensor:
    _check_flow(flow)
    return _directed(_radius(x, x, r, batch, batch, most, batch_size, not loop), flow)


def _neighbours(there: Padded, here: Padded, k: int) -> Tensor:
    """The k nearest there of each point here: (B, P, k or fewer), -1 where a cloud has fewer."""
    checks.check(k >= 1, f"k must be at least 1, got {k}")
    limits = there.lengths.clamp(max=k)
    return ragged(
        partial(ops.knn, check_finite=False),
        here.points,
        there.points,
        here.lengths,
        there.lengths,
        limits,
        int(limits.max()),
        padding=-1,
    ).index


def _without_self(index: Tensor, there: Padded, here: Padded, k: int) -> Tensor:
    """At most k neighbours of k + 1 candidates, without those that are the point itself.

    Among many points in one place a point need not be one of its own candidates: then the last
    is left out.
    """
    row = torch.arange(index.shape[1], device=index.device)[:, None]
    itself = index + there.begin[:, None, None] == row + here.begin[:, None, None]  # (B, P, k + 1)
    itself &= index >= 0
    spare = ~itself.any(-1, keepdim=True) & (torch.arange(index.shape[2]).to(index) == k)
    return index.masked_fill(itself | spare, -1)


def _pairs(index: Tensor, there: Padded, here: Padded) -> Tensor:
    """Packed indices (2, pairs), here and there, of neighbours (B, P, K), where -1 is none."""
    row = torch.arange(index.shape[1], device=index.device)[:, None]
    real = (index >= 0) & (row < here.lengths[:, None, None])
    first = (row + here.begin[:, None, None]).expand_as(index)[real]
    second = (index + there.begin[:, None, None])[real]
    return torch.stack([first, second])


def _joined(pairs: list[Tensor], x: Tensor) -> Tensor:
    """The pairs (2, pairs) of groups of clouds, cloud after cloud."""
    if len(pairs) == 1:
        return pairs[0]
    found = torch.cat([*pairs, torch.empty(2, 0, dtype=torch.int64, device=x.device)], 1)
    return found[:, found[0].argsort(stable=True)]


def _check_flow(flow: str) -> None:
    if flow not in ("source_to_target", "target_to_source"):
        raise ValueError(f'flow must be "source_to_target" or "target_to_source", got {flow!r}')


def _directed(pairs: Tensor, flow: str) -> Tensor:
    return pairs.flip(0) if flow == "source_to_target" else pairs
