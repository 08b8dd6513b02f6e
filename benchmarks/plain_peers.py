"""The peers of nvc3d.compat by their definitions, in plain torch: what its answers are held to.

`use()` puts them in the place of our own, before a network is imported.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import torch
from counting import counted
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import Tensor

from nvc3d import ops
from nvc3d.compat import (
    MDS_module,
    dist_chamfer_3D,
    emd_module,
    expansion_penalty_module,
    knn_cuda,
    offsets,
    pytorch3d,
)
from nvc3d.compat.compiled import chamfer as compiled_chamfer
from nvc3d.compat.compiled import kpconv, pointnet2_ext, pointops_cuda, pvcnn
from nvc3d.compat.extensions import chamfer_dist
from nvc3d.compat.pointnet2_ops import pointnet2_utils
from nvc3d.ops import Neighbours, Voxels


def squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of all pairs: from (B, N, 3) and (B, M, 3) to (B, N, M)."""
    return sum((x[:, :, None, i] - y[:, None, :, i]).square() for i in range(x.shape[2]))  # type: ignore[return-value]


def furthest_point_sample(xyz: Tensor, npoint: int) -> Tensor:
    xyz = xyz.detach()
    rows = torch.arange(len(xyz))
    picks = torch.zeros(len(xyz), npoint, dtype=torch.int32)
    nearest = torch.full(xyz.shape[:2], torch.inf, dtype=xyz.dtype)
    for i in range(1, npoint):
        last = xyz[rows, picks[:, i - 1].long()]
        nearest = nearest.minimum((xyz - last[:, None]).square().sum(2))
        picks[:, i] = nearest.argmax(1)
    return picks


def ball_query(radius: float, nsample: int, xyz: Tensor, new_xyz: Tensor) -> Tensor:
    inside = squares(new_xyz.detach(), xyz.detach()) < radius * radius
    size = xyz.shape[1]
    index = torch.where(inside, torch.arange(size), size).sort(2).values[..., :nsample]
    index = torch.nn.functional.pad(index, (0, nsample - index.shape[2]), value=size)
    index = torch.where(index == size, index[..., :1], index)
    return index.masked_fill(index == size, 0).int()


def grouping_operation(features: Tensor, idx: Tensor) -> Tensor:
    batch, channels = features.shape[:2]
    index = idx.long().flatten(1)[:, None].expand(-1, channels, -1)
    return features.gather(2, index).view(batch, channels, *idx.shape[1:]).clone()


def three_nn(unknown: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    squared, index = squares(unknown.detach(), known.detach()).topk(3, largest=False)
    return squared.sqrt(), index.int()


def three_interpolate(features: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
    return (grouping_operation(features, idx) * weight[:, None]).sum(3)


def chamfer(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    squared = squares(x, y)
    (first, there), (second, back) = squared.min(2), squared.min(1)
    return first, second, there.int(), back.int()


def knn(self: Any, ref: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    if not self.transpose_mode:
        ref, query = ref.transpose(1, 2), query.transpose(1, 2)
    found = squares(query.detach(), ref.detach()).topk(self.k, largest=False)
    distance, index = found.values.sqrt(), found.indices
    if self.transpose_mode:
        return distance, index
    return distance.transpose(1, 2).contiguous(), index.transpose(1, 2).contiguous()


def search(
    k: int, xyz: Tensor, offset: Tensor, new_xyz: Tensor | None, new_offset: Tensor | None
) -> tuple[Neighbours, Tensor]:
    if new_xyz is None or new_offset is None:
        new_xyz, new_offset = xyz, offset
    distances, indices, firsts, begin, first = [], [], [], 0, 0
    for end, last in zip(offset.tolist(), new_offset.tolist(), strict=True):
        found = squares(new_xyz[None, first:last], xyz[None, begin:end])[0]
        near = found.topk(min(k, end - begin), largest=False)
        lacking = (0, k - near.values.shape[1])
        pad = torch.nn.functional.pad
        distances.append(pad(near.values.sqrt(), lacking, value=1e5))
        indices.append(pad(near.indices + begin, lacking, value=-1))
        firsts.append(torch.full((last - first,), begin))
        begin, first = end, last
    return Neighbours(torch.cat(distances), torch.cat(indices)), torch.cat(firsts)


def sample(xyz: Tensor, offset: Tensor, new_offset: Tensor) -> Tensor:
    picks, begin, first = [], 0, 0
    for end, last in zip(offset.tolist(), new_offset.tolist(), strict=True):
        picks.append(begin + furthest_point_sample(xyz[None, begin:end], last - first)[0].long())
        begin, first = end, last
    return torch.cat(picks)


def rows(values: Tensor, index: Tensor) -> Tensor:
    return values[index.long()] * (index >= 0)[..., None]


def within(
    around: Tensor, cloud: Tensor, max_radius: float, min_radius: float, itself: float
) -> tuple[Tensor, Tensor]:
    squared = squares(around[None], cloud[None])[0]
    inside = (squared < torch.tensor(max_radius).square()) | (squared <= itself)
    inside &= (squared >= min_radius**2) | (squared <= itself)
    index = torch.arange(len(cloud)).expand_as(squared)
    return squared, index.masked_fill(~inside, -1)


def knn_points(p1: Tensor, p2: Tensor, K: int = 1, return_nn: bool = False) -> pytorch3d.KNN:
    near = squares(p1, p2).topk(K, largest=False)
    found = knn_gather(p2, near.indices) if return_nn else None
    return pytorch3d.KNN(near.values, near.indices, found)


def knn_gather(x: Tensor, idx: Tensor) -> Tensor:
    return x[torch.arange(len(x))[:, None, None], idx]


def group(values: Tensor, index: Tensor) -> Tensor:
    batch = torch.arange(len(values))[:, None, None]
    return values[batch, index.clamp_min(0)] * (index >= 0)[..., None]


def voxel_downsample(points: Tensor, size: float) -> Voxels:
    """Cell by cell, as a loop over points does it."""
    cells: dict[tuple[int, ...], list[int]] = {}
    for i, cell in enumerate((points.double() / size).floor().long().tolist()):
        cells.setdefault(tuple(cell), []).append(i)
    rows = [cells[cell] for cell in sorted(cells)]
    voxel = torch.empty(len(points), dtype=torch.int64)
    for i, row in enumerate(rows):
        voxel[row] = i
    mean = torch.stack([points[row].double().mean(0) for row in rows]).to(points.dtype)
    return Voxels(mean, torch.tensor([len(row) for row in rows]), voxel)


def chamfer_backward(
    xyz1: Tensor, xyz2: Tensor, idx1: Tensor, idx2: Tensor, grad_dist1: Tensor, grad_dist2: Tensor
) -> list[Tensor]:
    grads = [torch.zeros_like(xyz1), torch.zeros_like(xyz2)]
    for here, there, idx, grad in ((0, 1, idx1, grad_dist1), (1, 0, idx2, grad_dist2)):
        x, y = (xyz1, xyz2)[here], (xyz1, xyz2)[there]
        place = idx.long()[..., None].expand_as(x)
        pull = 2 * grad[..., None] * (x - y.gather(1, place))
        grads[here] += pull
        grads[there].scatter_add_(1, place, -pull)
    return grads


def emd(x: Tensor, y: Tensor, eps: float, iters: int) -> tuple[Tensor, Tensor]:
    far = squares(x.detach(), y.detach()).sqrt()
    match = torch.stack([torch.as_tensor(linear_sum_assignment(f)[1]) for f in far])
    partner = y.detach().gather(1, match[..., None].expand_as(y))
    return (x - partner).square().sum(2), match.int()


def penalty(xyz: Tensor, primitive_size: int, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """By SciPy's shortest trees, whose leaves are cut off one round after another."""
    pairs = []
    other = torch.full(xyz.shape[:2], -1)
    means = torch.zeros(len(xyz), xyz.shape[1] // primitive_size, dtype=xyz.dtype)
    far = squares(xyz.detach(), xyz.detach()).sqrt()
    for b, first in product(range(len(xyz)), range(0, xyz.shape[1], primitive_size)):
        part = slice(first, first + primitive_size)
        found = minimum_spanning_tree(far[b, part, part].numpy()).tocoo()
        edges = list(zip(found.row.tolist(), found.col.tolist(), found.data.tolist(), strict=True))
        mean = sum(length for _, _, length in edges) / len(edges)
        means[b, first // primitive_size] = mean
        while edges:
            degree = Counter(end for edge in edges for end in edge[:2])
            cut = [edge for edge in edges if 1 in (degree[edge[0]], degree[edge[1]])]
            for one, two, length in cut:
                end = max(i for i in (one, two) if degree[i] == 1)
                if length > alpha * mean:
                    other[b, first + end] = first + one + two - end
                    pairs.append((b, first + end))
            edges = [edge for edge in edges if edge not in cut]
    batch, point = torch.tensor(pairs).T
    apart = xyz[batch, point] - xyz.detach()[batch, other[batch, point]]
    squared = apart.square().sum(1)
    length = squared.detach().sqrt() + (squared - squared.detach())
    dist = torch.zeros_like(xyz[..., 0]).index_put((batch, point), length)
    return dist, other.int(), means.mean(1)


def sparsest(xyz: Tensor, npoint: int, mean_mst_length: Tensor) -> Tensor:
    density = torch.zeros_like(xyz[..., 0])
    picks = [torch.zeros(len(xyz), dtype=torch.int64)]
    weight = torch.where(torch.arange(xyz.shape[1]) < 8192, 1, 2)
    far = squares(xyz.detach(), xyz.detach())
    closeness = (-far / (5 * mean_mst_length.square())[:, None, None]).exp()
    while len(picks) < npoint:
        rows = torch.arange(len(xyz)), picks[-1]
        density = density + closeness[rows] * weight
        density[rows] = torch.inf
        picks.append(density.argmin(1))
    return torch.stack(picks, 1).int()


def use() -> Counter[str]:
    """Answer by plain definitions from now on, and count how often that happens."""
    calls: Counter[str] = Counter()

    def put(place: object, **functions: Any) -> None:
        for name, function in functions.items():
            before, plain = getattr(place, name), counted(function, calls)
            setattr(place, name, plain)
            # Peers export classes beside functions, with the functions for their `apply`.
            for value in list(vars(place).values()):
                if isinstance(value, type) and getattr(value, "apply", None) is before:
                    value.apply = staticmethod(plain)  # type: ignore[attr-defined]

    put(
        pointnet2_utils,
        furthest_point_sample=furthest_point_sample,
        gather_operation=grouping_operation,
        three_nn=three_nn,
        three_interpolate=three_interpolate,
        grouping_operation=grouping_operation,
        ball_query=ball_query,
    )
    for place in (pointnet2_ext, pointops_cuda, pvcnn):
        put(place, gather=grouping_operation)
    put(offsets, search=search, sample=sample, rows=rows)
    put(kpconv, within=within)
    put(pytorch3d, knn_points=knn_points, knn_gather=knn_gather)
    put(ops, voxel_downsample=voxel_downsample, group=group)
    put(knn_cuda.KNN, forward=knn)
    put(chamfer_dist.ChamferFunction, apply=lambda x, y: chamfer(x, y)[:2])
    put(dist_chamfer_3D.chamfer_3DFunction, apply=chamfer)
    put(compiled_chamfer, forward=lambda x, y: list(chamfer(x, y)), backward=chamfer_backward)
    put(emd_module.emdFunction, apply=emd)
    put(expansion_penalty_module.expansionPenaltyFunction, apply=penalty)
    put(MDS_module, minimum_density_sample=sparsest, gather_operation=grouping_operation)
    return calls
