"""The peers of nvc3d.compat by their definitions, in plain torch: what its answers are held to.

`use()` puts them in the place of our own, before a network is imported.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nvc3d.compat import dist_chamfer_3D, knn_cuda, offsets
from nvc3d.compat.compiled import pointnet2_ext
from nvc3d.compat.extensions import chamfer_dist
from nvc3d.compat.pointnet2_ops import pointnet2_utils
from nvc3d.ops import Neighbours


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
    index = torch.where(index == size, index[..., :1], index)
    return index.masked_fill(index == size, 0).int()


def grouping_operation(features: Tensor, idx: Tensor) -> Tensor:
    batch, channels = features.shape[:2]
    index = idx.long().flatten(1)[:, None].expand(-1, channels, -1)
    return features.gather(2, index).view(batch, channels, *idx.shape[1:])


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


def use() -> None:
    """Answer by plain definitions from now on."""

    def put(place: object, **functions: Any) -> None:
        for name, function in functions.items():
            setattr(place, name, function)

    put(
        pointnet2_utils,
        furthest_point_sample=furthest_point_sample,
        gather_operation=lambda features, idx: grouping_operation(features, idx),
        three_nn=three_nn,
        three_interpolate=three_interpolate,
        grouping_operation=grouping_operation,
        ball_query=ball_query,
    )
    put(pointnet2_ext, gather=grouping_operation)
    put(offsets, search=search, sample=sample, rows=rows)
    knn_cuda.KNN.forward = knn  # type: ignore[method-assign]
    put(chamfer_dist.ChamferFunction, apply=staticmethod(lambda x, y: chamfer(x, y)[:2]))
    put(dist_chamfer_3D.chamfer_3DFunction, apply=staticmethod(chamfer))
