"""The plain PyTorch definition of every compiled operator: slow, obvious, on any device.

Tests and benchmarks compare the kernels with these functions, and where a kernel is missing they
stand in for it. Every public function here is an operator: its name and annotations are the schema
that `csrc/library.cpp` declares.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

import torch
from torch import Tensor

from . import checks
from .distance_table import distance_table

# Pairs of points held at once: a bound on memory, not on the size of the clouds.
_PAIRS = 1 << 22


def nearest(
    x: Tensor,
    y: Tensor,
    x_lengths: Optional[Tensor],  # noqa: UP045  (torch reads schemas from these annotations)
    y_lengths: Optional[Tensor],  # noqa: UP045
    norm: int,
    check_finite: bool,
) -> tuple[Tensor, Tensor]:
    """The nearest y of each x: distance (B, N) and index (B, N); 0 and 0 in padded rows."""
    distance, index = knn(x, y, 1, x_lengths, y_lengths, norm, check_finite)
    return distance.squeeze(-1), index.squeeze(-1)


def nearest_both(
    x: Tensor,
    y: Tensor,
    x_lengths: Optional[Tensor],  # noqa: UP045
    y_lengths: Optional[Tensor],  # noqa: UP045
    norm: int,
    check_finite: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`nearest` from x to y and from y to x."""
    return (
        *nearest(x, y, x_lengths, y_lengths, norm, check_finite),
        *nearest(y, x, y_lengths, x_lengths, norm, check_finite),
    )


def knn(
    x: Tensor,
    y: Tensor,
    k: int,
    x_lengths: Optional[Tensor],  # noqa: UP045
    y_lengths: Optional[Tensor],  # noqa: UP045
    norm: int,
    check_finite: bool,
    limit: Optional[float] = None,  # noqa: UP045
) -> tuple[Tensor, Tensor]:
    """The k nearest y of each x, nearest first, lowest index on ties: (B, N, k) each.

    A kernel may leave out distances at the limit or beyond: then inf and index 0 stand last.
    """
    checks.check_neighbours(x, y, x_lengths, y_lengths, norm)
    checks.check_k(k, y.shape[1], "y")
    checks.check_lengths(x_lengths, x.shape[1], "x")
    checks.check_lengths(y_lengths, y.shape[1], "y", least=k)
    if check_finite:
        checks.check_values(x, x_lengths, "x")
        checks.check_values(y, y_lengths, "y")
    batch, rows = x.shape[:2]
    distance = x.new_zeros(batch, rows, k)
    index = torch.zeros(batch, rows, k, dtype=torch.int64, device=x.device)
    for b, (xb, yb) in enumerate(zip(_valid(x, x_lengths), _valid(y, y_lengths), strict=True)):
        step = max(1, _PAIRS // yb.shape[0])
        for start in range(0, xb.shape[0], step):
            block = distance_table(xb[start : start + step], yb, norm)  # (step, M)
            if k == 1:
                least = block.argmin(1, keepdim=True)
            else:
                least = block.argsort(dim=1, stable=True)[:, :k]
            stop = start + block.shape[0]
            distance[b, start:stop] = block.gather(1, least)
            index[b, start:stop] = least
    return distance, index


def distance_backward(
    grad: Tensor,
    x: Tensor,
    y: Tensor,
    index: Tensor,
    x_lengths: Optional[Tensor],  # noqa: UP045
    norm: int,
) -> tuple[Tensor, Tensor]:
    """Gradients in x (B, N, D) and y (B, M, D) of the distances to the neighbours `index`.

    grad and index are (B, N, K). The derivative of |t| at 0 is 0.
    """
    checks.check_choices(grad, x, y, index, x_lengths, norm)
    batch, rows, k = index.shape
    dim = x.shape[-1]
    if x_lengths is not None:
        padded = torch.arange(rows, device=x.device) >= x_lengths[:, None]  # (B, N)
        grad = grad.masked_fill(padded[..., None], 0)
    flat = index.reshape(batch, rows * k, 1).expand(-1, -1, dim)  # (B, N*K, D)
    difference = x[:, :, None, :] - y.gather(1, flat).view(batch, rows, k, dim)
    slope = difference.sign() if norm == 1 else 2 * difference
    pull = grad[..., None] * slope  # (B, N, K, D)
    if x_lengths is not None:
        pull = pull.masked_fill(padded[..., None, None], 0)
    grad_y = y.new_zeros(y.shape).scatter_add(1, flat, -pull.reshape(batch, rows * k, dim))
    return pull.sum(2).contiguous(), grad_y


def farthest_point_sampling(
    points: Tensor,
    k: int,
    lengths: Optional[Tensor],  # noqa: UP045
    start: Tensor,
    check_finite: bool,
) -> Tensor:
    """Picks that each lie farthest from all before; lowest index on ties: (B, k)."""
    checks.check_clouds(points, "points", lengths)
    checks.check_k(k, points.shape[1], "points")
    checks.check_lengths(lengths, points.shape[1], "points", least=k)
    checks.check_start(start, points, lengths)
    if check_finite:
        checks.check_values(points, lengths, "points")
    picks = torch.zeros(points.shape[0], k, dtype=torch.int64, device=points.device)
    for b, cloud in enumerate(_valid(points, lengths)):
        distance = torch.full_like(cloud[:, 0], float("inf"))
        pick = start[b]
        for i in range(k):
            picks[b, i] = pick
            distance = torch.minimum(distance, (cloud - cloud[pick]).square().sum(-1))
            pick = distance.argmax()
    return picks


def ball_query(
    x: Tensor,
    y: Tensor,
    k: int,
    squared_radius: float,
    x_lengths: Optional[Tensor],  # noqa: UP045
    y_lengths: Optional[Tensor],  # noqa: UP045
    check_finite: bool,
) -> tuple[Tensor, Tensor]:
    """The first k of y, by index, nearer than the radius to each x; distance 0, index -1 pad."""
    checks.check_ball(x, y, k, squared_radius, x_lengths, y_lengths)
    checks.check_lengths(x_lengths, x.shape[1], "x")
    checks.check_lengths(y_lengths, y.shape[1], "y")
    if check_finite:
        checks.check_values(x, x_lengths, "x")
        checks.check_values(y, y_lengths, "y")
    batch, rows = x.shape[:2]
    distance = x.new_zeros(batch, rows, k)
    index = torch.full((batch, rows, k), -1, dtype=torch.int64, device=x.device)
    limit = x.new_tensor(squared_radius)
    for b, (xb, yb) in enumerate(zip(_valid(x, x_lengths), _valid(y, y_lengths), strict=True)):
        step = max(1, _PAIRS // yb.shape[0])
        for start in range(0, xb.shape[0], step):
            block = distance_table(xb[start : start + step], yb)  # (step, M)
            inside = block < limit
            place = inside.cumsum(1) - 1  # (step, M): how many are inside before it
            row, column = (inside & (place < k)).nonzero(as_tuple=True)
            slot = place[row, column]
            distance[b, start + row, slot] = block[row, column]
            index[b, start + row, slot] = column
    return distance, index


def optimal_matching(
    x: Tensor,
    y: Tensor,
    lengths: Optional[Tensor],  # noqa: UP045
    tolerance: float,
    check_finite: bool,
) -> tuple[Tensor, Tensor]:
    """The y of each x in the matching with the least mean distance (B, N), and its error (B,).

    Always the exact one, whatever the tolerance. One x after the other is matched, along the
    cheapest path of exchanges (Kuhn, "The Hungarian method for the assignment problem", 1955).
    """
    checks.check_matching(x, y, lengths, tolerance)
    checks.check_lengths(lengths, x.shape[1], "x")
    if check_finite:
        checks.check_values(x, lengths, "x")
        checks.check_values(y, lengths, "y")
    index = torch.zeros(x.shape[:2], dtype=torch.int64, device=x.device)
    for b, (xb, yb) in enumerate(zip(_valid(x, lengths), _valid(y, lengths), strict=True)):
        size = xb.shape[0]
        xb, yb = xb.double(), yb.double()
        price, budget = yb.new_zeros(size), xb.new_zeros(size)
        owner = [-1] * size  # the x of each y
        for first in range(size):
            excess = yb.new_full((size,), float("inf"))  # of the cheapest path to each y
            before = torch.full((size,), -1, dtype=torch.int64, device=x.device)  # y before it
            seen = torch.zeros(size, dtype=torch.bool, device=x.device)
            at, row, paid = -1, first, 0.0
            while row >= 0:
                cost = (yb - xb[row]).square().sum(1).sqrt() + price - budget[row] + paid  # (N,)
                shorter = ~seen & ~(cost >= excess)
                excess, before[shorter] = torch.where(shorter, cost, excess), at
                at = int(excess.masked_fill(seen, float("inf")).argmin())
                at = at if not seen[at] else int((~seen).nonzero()[0])
                paid, row = float(excess[at]), owner[at]
                seen[at] = True
            seen[at] = False
            reached = seen.nonzero()[:, 0].tolist()
            saved = paid - excess
            budget[first] += paid
            budget[[owner[j] for j in reached]] += saved[reached]
            price[reached] += saved[reached]
            while at >= 0:
                previous = int(before[at])
                owner[at] = owner[previous] if previous >= 0 else first
                at = previous
        index[b, owner] = torch.arange(size, device=x.device)
    return index, x.new_zeros(x.shape[0])


def assign_anchors(latents: Tensor, anchors: Tensor, check_finite: bool) -> tuple[Tensor, Tensor]:
    """The nearest anchor of each latent: squared distance (N,) and index (N,)."""
    checks.check_anchors(latents, anchors)
    if check_finite:
        checks.check_values(latents, None, "latents")
        checks.check_values(anchors, None, "anchors")
    if latents.shape[0] == 0:
        return latents.new_zeros(0), latents.new_zeros(0, dtype=torch.int64)
    distance, index = knn(latents[None], anchors[None], 1, None, None, 2, False)
    return distance[0, :, 0], index[0, :, 0]


def pool_neighbours(values: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the values (B, N, C) at each row of an index (B, M, K) the maximum, the sum, in the order
    of the index, and the row of the maximum, the first on ties: (B, M, C) each.

    Index -1 stands for none; where all are, 0, 0 and -1. NaN is greater than all.
    """
    checks.check_grouped(values, index)
    some = gather_index(index, values.shape[1])
    shape = (*index.shape[:2], values.shape[2])
    maximum, total = values.new_zeros(shape), values.new_zeros(shape)
    which = torch.full(shape, -1, dtype=torch.int32, device=values.device)
    if values.shape[1] == 0:
        return maximum, total, which
    for j in range(index.shape[2]):
        row, there = some[:, :, j, None], index[:, :, j, None] >= 0  # (B, M, 1)
        value = values.gather(1, row.expand(shape))
        more = there & ((which < 0) | (value > maximum) | value.isnan())
        maximum, total = torch.where(more, value, maximum), torch.where(there, total + value, total)
        which = torch.where(more, row.to(torch.int32), which)
    return maximum.contiguous(), total.contiguous(), which.contiguous()


def pool_neighbours_backward(
    maximum_grad: Tensor, total_grad: Tensor, index: Tensor, which: Tensor, size: int
) -> Tensor:
    """The gradient (B, size, C) of `pool_neighbours` in its values."""
    checks.check_pooled(maximum_grad, total_grad, index, which)
    some = gather_index(index, size)
    batch, rows, dim = maximum_grad.shape
    grad = maximum_grad.new_zeros(batch, size, dim)
    if size == 0:
        return grad
    for j in range(index.shape[2]):
        part = total_grad.masked_fill(index[:, :, j, None] < 0, 0)
        grad = grad.scatter_add(1, some[:, :, j, None].expand(batch, rows, dim), part)
    part = maximum_grad.masked_fill(which < 0, 0)
    return grad.scatter_add(1, which.clamp_min(0).to(torch.int64), part)


def local_planes(points: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """The normals of the planes through neighbourhoods, and their variances: (M, 3) each."""
    checks.check_some_neighbourhoods(points, index)
    checks.check_choice(index, points.shape[0], "index")
    near = points.double()[index]  # (M, K, 3)
    variance, normal = _principal(near - near.mean(1, keepdim=True))
    return normal.to(points.dtype).contiguous(), variance.to(points.dtype).contiguous()


def grow_planes(
    points: Tensor,
    index: Tensor,
    normal: Tensor,
    tolerance: Tensor,
    seeds: Tensor,
    cosine: float,
    least: int,
) -> Tensor:
    """The seed of the region that each point is part of (N,), -1 for none; see ops.grow_planes."""
    checks.check_neighbourhoods(points, index)
    checks.check_growth(points, normal, tolerance, seeds)
    checks.check_choice(index, points.shape[0], "index")
    checks.check_choice(seeds, points.shape[0], "seeds")
    at, across = points.double(), normal.double()
    region = torch.full(index.shape[:1], -1, device=index.device)
    tried = torch.zeros_like(region, dtype=torch.bool)
    for seed in seeds.tolist():
        if region[seed] >= 0 or tried[seed]:
            continue
        reach = float(tolerance[seed])
        close = at[index[seed]]
        close = close[((close - at[seed]) @ across[seed]).abs() <= reach]
        centre = close.mean(0) if len(close) else at[seed]
        plane = _Plane(centre, across[seed], at.new_zeros(3))
        region[seed], members = seed, [seed]
        for first in (24, 0):  # points of the first fit; none is fitted again at the end
            for head, i in enumerate(members):  # it grows on the way
                if head + 1 == first:
                    first *= 2
                    plane = _plane(at[members[: head + 1]], plane)
                    reach = _settled(tolerance[members], plane)
                for j in index[i].tolist():
                    near = abs(float((at[j] - plane.centre) @ plane.normal)) <= reach
                    along = abs(float(across[j] @ plane.normal)) >= cosine
                    if region[j] < 0 and near and along:
                        region[j] = seed
                        members.append(j)
            if first:
                plane = _plane(at[members], plane)
                reach = _settled(tolerance[members], plane)
                gone = ((at[members] - plane.centre) @ plane.normal).abs() > reach
                region[torch.tensor(members, device=region.device)[gone]] = -1
                members = [i for i, out in zip(members, gone.tolist(), strict=True) if not out]
        if len(members) < least:
            region[members] = -1
            tried[[*members, seed]] = True
    return region


def shared_planes(points: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The plane that most of a neighbourhood shares: normal (M, 3), width (M,) and score (M,); see
    ops.shared_planes."""
    checks.check_some_neighbourhoods(points, index, 64)
    checks.check_choice(index, points.shape[0], "index")
    m, k = index.shape
    near = points.double()[index]
    near = near - near[:, :1]  # (M, K, 3)
    radius = near.norm(dim=2).amax(1)
    last = min(k, 9) - 1
    one, other = torch.triu_indices(last, last, 1, device=points.device) + 1
    across = near[:, one].cross(near[:, other], dim=2)  # (M, W, 3)
    length = across.norm(dim=2)
    wide = length > 1e-2 * near[:, one].norm(dim=2) * near[:, other].norm(dim=2)
    across = across / length.clamp(min=1e-300)[:, :, None]
    off = (across @ near.mT).abs() / radius.clamp(min=1e-300)[:, None, None]  # (M, W, K)
    score = _chances(k, points.device)[torch.arange(14, device=points.device), _within(off).long()]
    score = torch.where(wide[:, :, None], score, 0.0).flatten(1)
    score = torch.cat([score, score.new_zeros(m, 1)], 1)  # none
    lowest, best = score.min(1)
    best = torch.where(lowest < 0, best, 0)
    pair, step = best // 14, torch.where(lowest < 0, best % 14, 14)
    rows = torch.arange(m, device=points.device)
    if len(one) == 0:
        inside = torch.ones_like(near[:, :, :1])
    else:
        steps = torch.frexp((off[rows, pair] / 0.01).square()).exponent.clamp(0, 14)
        inside = (steps <= step[:, None]).double()[:, :, None]
    centre = (near * inside).sum(1, keepdim=True) / inside.sum(1, keepdim=True)
    _, normal = _principal((near - centre) * inside)
    width = torch.where(lowest < 0, 0.01 * torch.exp2(step / 2) * radius, 0.0)
    dtype = points.dtype
    return normal.to(dtype).contiguous(), width.to(dtype), lowest.to(dtype)


def assign_planes(
    points: Tensor, index: Tensor, region: Tensor, normal: Tensor, offset: Tensor, reach: Tensor
) -> Tensor:
    """The nearest plane of those that each point's neighbours are on (N,), -1 for none within its
    reach; see ops.assign_planes."""
    checks.check_planes(points, index, region, normal, offset, reach)
    checks.check_choice(index, region.shape[0], "index")
    checks.check_choice(region, normal.shape[0], "region", -1)
    none = normal.shape[0]
    choice = torch.where(region < 0, none, region)[index]  # (N, K)
    planes = torch.cat([normal, normal.new_zeros(1, 3)]).double()[choice]
    away = torch.cat([offset, offset.new_zeros(1)]).double()[choice]
    within = torch.cat([reach, reach.new_full((1,), -1)]).double()[choice]
    off = ((points.double()[:, None] * planes).sum(2) - away).abs()
    off = torch.where(off <= within, off, torch.inf)
    nearest = torch.where((off == off.amin(1, keepdim=True)) & off.isfinite(), choice, none)
    least = nearest.amin(1)
    return torch.where(least < none, least, -1)


def plane_moments(points: Tensor, region: Tensor, regions: int) -> tuple[Tensor, Tensor, Tensor]:
    """How many points each region has (P,), their means (P, 3) and scatter (P, 3, 3)."""
    checks.check_regions(points, region, regions)
    checks.check_choice(region, regions, "region", -1)
    inside = region >= 0
    at, of = points.double()[inside], region[inside]
    size = torch.bincount(of, minlength=regions)
    share = size.clamp(min=1)[:, None]
    centre = at.new_zeros(regions, 3).index_add(0, of, at) / share
    d = at - centre[of]
    outer = (d[:, :, None] * d[:, None, :]).flatten(1)
    scatter = at.new_zeros(regions, 9).index_add(0, of, outer) / share
    dtype = points.dtype
    return size, centre.to(dtype), scatter.view(regions, 3, 3).to(dtype)


def region_borders(index: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Points (E,) and their neighbours (E,) in other regions."""
    checks.check_borders(index, region)
    checks.check_choice(index, region.shape[0], "index")
    one, which = (region[index] != region[:, None]).nonzero(as_tuple=True)
    return one, index[one, which]


def gather_index(index: Tensor, size: int) -> Tensor:
    """The index with 0 in place of -1, "none", refused where it is not from -1 to size - 1."""
    checks.check_index(index)
    # Waiting for the device is not possible while a CUDA graph is captured.
    unread = index.is_cuda and torch.cuda.is_current_stream_capturing()
    if not unread and index.numel() > 0:
        ends = index.aminmax()
        # A device is waited for once.
        least, most = torch.stack(ends).tolist() if index.is_cuda else map(int, ends)
        if least < -1 or most >= size:
            bad = least if least < -1 else most
            checks.check(False, f"index must be from -1 to {size - 1}, got {bad}")
    return index.clamp(min=0).contiguous()


def _valid(points: Tensor, lengths: Tensor | None) -> list[Tensor]:
    """The clouds of a padded batch (B, N, D) without their padding."""
    if lengths is None:
        return list(points)
    return [cloud[:length] for cloud, length in zip(points, lengths.tolist(), strict=True)]


def _principal(centred: Tensor) -> tuple[Tensor, Tensor]:
    """The variances of points (..., K, 3) around 0 along their principal axes, the least first,
    and the first axis, its greatest component positive."""
    variance, axes = torch.linalg.eigh(centred.mT @ centred / centred.shape[-2])
    normal = axes[..., 0]
    sign = normal.gather(-1, normal.abs().argmax(-1, keepdim=True)).sign()
    return variance.clamp(min=0), normal * sign


def _within(off: Tensor) -> Tensor:
    """How many of distances (..., K), by the radius, are below each width of a ladder, 0.01 times
    2^(step / 2): (..., 14)."""
    step = torch.frexp((off / 0.01).square()).exponent.clamp(0, 14).long()
    count = off.new_zeros(*off.shape[:-1], 15).scatter_add(-1, step, torch.ones_like(off))
    return count[..., :14].cumsum(-1)


def _chances(k: int, device: torch.device) -> Tensor:
    """The logarithm of the chance that n - 3 of k - 3 points of a ball, beside the three through
    which a plane goes, are within each width of it: (14, k + 1), 0 where n says nothing."""
    n = torch.arange(k + 1, device=device).double()
    step = torch.arange(14, device=device).double()[:, None]
    ways = (n.new_tensor(k - 2.0)).lgamma() - (n - 2).lgamma() - (k + 1 - n).lgamma()
    share = (0.015 * torch.exp2(step / 2)).clamp(max=1).log()
    return torch.where(n < 5, 0.0, (n - 3) * share + ways)


class _Plane(NamedTuple):
    centre: Tensor
    normal: Tensor
    variance: Tensor  # (3,): along the principal axes, that of the normal first


def _plane(points: Tensor, before: _Plane | None = None) -> _Plane:
    """The least-squares plane of points (K, 3); that of before, if there is one, for a line."""
    centre = points.mean(0)
    variance, normal = _principal(points - centre)
    if before is not None and not variance[1] > 1e-12 * variance[2]:
        return before
    return _Plane(centre, normal, variance)


def _settled(tolerances: Tensor, plane: _Plane) -> float:
    """The tolerance of a region: the usual one, up to twice it where its points are farther."""
    usual = float(tolerances.median())
    return min(max(usual, 3 * float(plane.variance[0]) ** 0.5), 2 * usual)
