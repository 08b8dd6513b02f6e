"""The compiled modules of KPConv and its relatives: GeoTransformer, Predator, D3Feat.

Clouds lie one after the other (N, 3), with how many points each has (B,). GeoTransformer has
tensors, the others arrays of numpy. The order of cells, which is that of a hash table in the peers,
is that of their coordinates.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ... import ops
from ..balls import within


def grid_subsampling(points: Tensor, lengths: Tensor, voxel_size: float) -> list[Tensor]:
    """The means of the points in each cell of a grid (M, 3), and how many each cloud has (B,)."""
    means = [ops.voxel_downsample(p, voxel_size).mean for p in points.split(lengths.tolist())]
    return [torch.cat(means), lengths.new_tensor([len(mean) for mean in means])]


def radius_neighbors(
    q_points: Tensor, s_points: Tensor, q_lengths: Tensor, s_lengths: Tensor, radius: float
) -> Tensor:
    """The points of s_points (M, 3) nearer than a radius to each of q_points (N, 3).

    Returns:
        Indices (N, K), int64, nearest first, for the largest number K that there is; M where there
        are fewer.
    """
    found, begin = [], 0
    clouds = zip(
        q_points.split(q_lengths.tolist()), s_points.split(s_lengths.tolist()), strict=True
    )
    for queries, supports in clouds:
        squared, index = within(queries, supports, radius, 0.0, 0.0)
        order = squared.masked_fill(index < 0, torch.inf).argsort(dim=1, stable=True)
        index = index.gather(1, order)
        most = int((index >= 0).sum(1).amax()) if len(index) else 0
        found.append(torch.where(index < 0, len(s_points), index + begin)[:, :most])
        begin += len(supports)
    most = max(index.shape[1] for index in found)
    lacking = ((0, most - index.shape[1]) for index in found)
    pad = torch.nn.functional.pad
    return torch.cat(
        [pad(index, some, value=len(s_points)) for index, some in zip(found, lacking, strict=True)]
    )


def subsample_batch(
    points: np.ndarray,
    batches: np.ndarray,
    features: np.ndarray | None = None,
    classes: np.ndarray | None = None,
    sampleDl: float = 0.1,
    method: str = "barycenters",
    max_p: int = 0,
    verbose: int = 0,
) -> tuple[np.ndarray, ...]:
    """As `grid_subsampling`, with the means of features (N, C) and the commonest classes (N, L).

    Returns:
        Points, how many of each cloud, and features and classes where they are given. At most max_p
        of a cloud, the first, unless that is 0.
    """
    parts = [
        _subsampled(points[s], _at(features, s), _at(classes, s), sampleDl, max_p or None)
        for s in _slices(batches)
    ]
    kept = (values for values in zip(*parts, strict=True) if values[0] is not None)
    first, *others = (np.concatenate(values) for values in kept)
    counts = np.array([len(part[0]) for part in parts], np.int32)
    return (first, counts, *others)


def subsample(
    points: np.ndarray,
    features: np.ndarray | None = None,
    classes: np.ndarray | None = None,
    sampleDl: float = 0.1,
    verbose: int = 0,
) -> np.ndarray | tuple[np.ndarray, ...]:
    """The same of one cloud; points alone where nothing else is given."""
    found = [v for v in _subsampled(points, features, classes, sampleDl, None) if v is not None]
    return found[0] if len(found) == 1 else tuple(found)


def batch_query(
    queries: np.ndarray,
    supports: np.ndarray,
    q_batches: np.ndarray,
    s_batches: np.ndarray,
    radius: float,
) -> np.ndarray:
    """As `radius_neighbors`: (N, K), int32."""
    q_points, s_points, q_lengths, s_lengths = (
        torch.from_numpy(np.ascontiguousarray(a)) for a in (queries, supports, q_batches, s_batches)
    )
    found = radius_neighbors(q_points, s_points, q_lengths, s_lengths, radius)
    return found.int().numpy()


def _subsampled(
    points: np.ndarray,
    features: np.ndarray | None,
    classes: np.ndarray | None,
    size: float,
    most: int | None,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    cells = ops.voxel_downsample(torch.from_numpy(np.ascontiguousarray(points)), size)
    averages = commonest = None
    if features is not None:
        given = torch.from_numpy(np.ascontiguousarray(features)).double()
        sums = given.new_zeros(len(cells.mean), given.shape[1]).index_add(0, cells.voxel, given)
        averages = (sums / cells.size[:, None]).numpy().astype(np.float32)[:most]
    if classes is not None:
        columns = classes.reshape(len(points), -1).T
        commonest = np.stack([_votes(cells.voxel.numpy(), column) for column in columns], 1)[:most]
    return cells.mean.numpy()[:most], averages, commonest


def _votes(cell: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The commonest label of each cell, the least of several: (V,), int32."""
    kinds, kind = np.unique(labels, return_inverse=True)
    counts = np.zeros((cell.max() + 1, len(kinds)), np.int64)
    np.add.at(counts, (cell, kind.reshape(-1)), 1)
    return kinds[counts.argmax(1)].astype(np.int32)


def _slices(counts: np.ndarray) -> list[slice]:
    ends = np.cumsum(counts)
    return [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]


def _at(values: np.ndarray | None, some: slice) -> np.ndarray | None:
    return None if values is None else values[some]
