"""The compiled module of every pointops, from PointWeb's to Pointcept's.

PointWeb and its relatives have batches (B, N, 3) with features (B, C, N); the others have clouds
one after the other (N, 3), with the offsets at which each ends, and features (N, C). Functions of
one name are told apart by their tensors. The sizes that come first have no effect.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ... import ops
from ...ops import checks
from .. import balls, offsets, pointops, pointops2, windows
from ..channels import gather
from ..knn_cuda import KNN
from . import pointnet2_ext as ext
from .writing import compiled, tensors, write


def _grouped(input: Tensor, idx: Tensor) -> Tensor:
    return gather(input, idx) if input.dim() == 3 else offsets.rows(input, idx)


def _gathered(input: Tensor, idx: Tensor) -> Tensor:
    return gather(input, idx[..., None])[..., 0]


def _interpolated(input: Tensor, idx: Tensor, weight: Tensor) -> Tensor:
    if input.dim() == 3:
        return (gather(input, idx) * weight[:, None]).sum(3)
    return (offsets.rows(input, idx) * weight[..., None]).sum(1)


def _step1_by_offsets(q: Tensor, k: Tensor, index0_offsets: Tensor, index1: Tensor) -> Tensor:
    return windows.attention_step1(q, k, windows.of_offsets(index0_offsets), index1)


def _step2(attn: Tensor, v: Tensor, index0: Tensor, index1: Tensor, rows: int) -> Tensor:
    return windows.at_queries(attn[..., None] * v[index1.long()], index0, rows)


def _dot_prod_v2(
    q: Tensor,
    index_q: Tensor,
    k: Tensor,
    index_k: Tensor,
    table_q: Tensor,
    table_k: Tensor,
    rel_idx: Tensor,
    rel_idx_offsets: Tensor,
    sort_indices: Tensor,
) -> Tensor:
    return windows.dot_prod_with_idx_v2(q, index_q, k, index_k, table_q, table_k, rel_idx)


def _dot_prod_v3(
    q: Tensor,
    index_q_offsets: Tensor,
    k: Tensor,
    index_k: Tensor,
    table_q: Tensor,
    table_k: Tensor,
    rel_idx: Tensor,
) -> Tensor:
    index_q = windows.of_offsets(index_q_offsets)
    return windows.dot_prod_with_idx_v2(q, index_q, k, index_k, table_q, table_k, rel_idx)


def _step2_rel_pos(
    attn: Tensor,
    v: Tensor,
    index0: Tensor,
    index1: Tensor,
    table: Tensor,
    rel_idx: Tensor,
    rows: int,
) -> Tensor:
    return windows.at_queries(windows.moved(attn, v, index1, table, rel_idx), index0, rows)


def _step2_rel_pos_by_offsets(
    attn: Tensor, v: Tensor, index0_offsets: Tensor, index1: Tensor, table: Tensor, rel_idx: Tensor
) -> Tensor:
    return windows.attention_step2_with_rel_pos_value_v2(
        attn, v, index0_offsets, 0, index1, table, rel_idx
    )


grouping_forward_cuda, grouping_backward_cuda = compiled(_grouped, "grad idx d_input")
gathering_forward_cuda, gathering_backward_cuda = compiled(_gathered, "grad idx d_input")
featuregather_forward_cuda, featuregather_backward_cuda = compiled(_gathered, "grad idx d_input")
interpolation_forward_cuda, interpolation_backward_cuda = compiled(
    _interpolated, "grad idx weight d_input"
)
subtraction_forward_cuda, subtraction_backward_cuda = compiled(
    pointops.subtraction, "idx grad d_input1 d_input2"
)
aggregation_forward_cuda, aggregation_backward_cuda = compiled(
    pointops.aggregation, "input position weight idx grad d_input d_position d_weight"
)
attention_relation_step_forward_cuda, attention_relation_step_backward_cuda = compiled(
    pointops.attention_relation_step,
    "query d_query key d_key weight d_weight index_target index_refer grad",
)
attention_fusion_step_forward_cuda, attention_fusion_step_backward_cuda = compiled(
    pointops.attention_fusion_step, "weight d_weight value d_value index_target index_refer grad"
)
attention_step1_forward_cuda, attention_step1_backward_cuda = compiled(
    windows.attention_step1, "grad index0 index1 q k d_q d_k"
)
attention_step1_forward_cuda_v2, attention_step1_backward_cuda_v2 = compiled(
    _step1_by_offsets, "grad index0_offsets index1 q k d_q d_k"
)
attention_step2_forward_cuda, attention_step2_backward_cuda = compiled(
    _step2, "grad index0 index1 attn v d_attn d_v"
)
attention_step2_forward_cuda_v2 = attention_step2_forward_cuda
attention_step2_backward_cuda_v2 = attention_step2_backward_cuda
dot_prod_with_idx_forward_cuda, dot_prod_with_idx_backward_cuda = compiled(
    windows.dot_prod_with_idx, "grad q index table rel_idx d_q d_table"
)
dot_prod_with_idx_forward_cuda_v2, dot_prod_with_idx_backward_cuda_v2 = compiled(
    _dot_prod_v2,
    "grad q index_q k index_k table_q table_k rel_idx rel_idx_offsets sort_indices "
    "d_q d_k d_table_q d_table_k",
)
dot_prod_with_idx_forward_cuda_v3, dot_prod_with_idx_backward_cuda_v3 = compiled(
    _dot_prod_v3,
    "grad q index_q_offsets k index_k table_q table_k rel_idx d_q d_k d_table_q d_table_k",
)
(
    attention_step2_with_rel_pos_value_forward_cuda,
    attention_step2_with_rel_pos_value_backward_cuda,
) = compiled(_step2_rel_pos, "grad index0 index1 attn v table rel_idx d_attn d_v d_table")
(
    attention_step2_with_rel_pos_value_forward_cuda_v2,
    attention_step2_with_rel_pos_value_backward_cuda_v2,
) = compiled(
    _step2_rel_pos_by_offsets,
    "grad index0_offsets index1 attn v table rel_idx d_attn d_v d_table",
)


def grouping_int_forward_cuda(b: int, c: int, n: int, m: int, nsample: int, *given: Tensor) -> int:
    """Write integers (B, C, N) at indices (B, M, K) into the last tensor (B, C, M, K)."""
    features, index, out = given
    some = index.long().flatten(1)[:, None].expand(-1, features.shape[1], -1)
    return write(out, features.gather(2, some).view_as(out))


def furthestsampling_cuda(*sizes_and_tensors: Any) -> int:
    """Write picks, each as far as can be from all before it, into the last tensor."""
    if len(sizes_and_tensors) == 6:
        xyz, _, idx = tensors(sizes_and_tensors, 3)
        return write(idx, ext.furthest_point_sampling(xyz, idx.shape[1]))
    xyz, offset, new_offset, _, idx = tensors(sizes_and_tensors, 5)
    return write(idx, offsets.sample(xyz, offset, new_offset))


farthest_point_sampling_cuda = furthestsampling_cuda


def knnquery_cuda(*sizes_and_tensors: Any) -> int:
    """Write the nearest points and their squared distances into the last two tensors.

    Where one cloud among others has too few points, its first stands in, at 1e10.
    """
    *given, idx, squared = (value for value in sizes_and_tensors if isinstance(value, Tensor))
    if idx.dim() == 3:
        xyz, new_xyz = given
        distance, index = KNN(idx.shape[2], transpose_mode=True)(xyz, new_xyz)
    else:
        index, distance = pointops2.knnquery(idx.shape[1], *given)
    write(squared, distance.square())
    return write(idx, index)


knnquery_heap_cuda = knnquery_cuda


def knn_query_cuda(m: int, nsample: int, *given: Tensor) -> int:
    """As `knnquery_cuda`; where a cloud has too few points, the index is -1."""
    xyz, new_xyz, offset, new_offset, idx, squared = given
    index, distance = pointops.knn_query(nsample, xyz, offset, new_xyz, new_offset)
    write(squared, distance.square())
    return write(idx, index)


def nearestneighbor_cuda(
    b: int, n: int, m: int, unknown: Tensor, known: Tensor, dist2: Tensor, idx: Tensor
) -> int:
    """Write the squared distances to the three nearest, and who they are, (B, N, 3)."""
    squared, index = ext.three_nn(unknown, known)
    write(dist2, squared)
    return write(idx, index)


def featuredistribute_cuda(
    b: int, n: int, m: int, max_xyz: Tensor, xyz: Tensor, distribute_idx: Tensor
) -> int:
    """Write which of max_xyz (B, N, 3) is nearest to each of xyz (B, M, 3): (B, M)."""
    _, index = KNN(1, transpose_mode=True)(max_xyz, xyz)
    return write(distribute_idx, index[..., 0])


def ballquery_cuda(*sizes_and_tensors: Any) -> int:
    """Write the first points within a radius of each centre, by index, into the last tensor."""
    *given, idx = (value for value in sizes_and_tensors if isinstance(value, Tensor))
    radius = next(value for value in sizes_and_tensors if isinstance(value, float))
    if idx.dim() == 3:
        new_xyz, xyz = given
        return write(idx, ext.ball_query(new_xyz, xyz, radius, idx.shape[2]))
    return write(idx, pointops2.ballquery(radius, idx.shape[1], *given))


def ball_query_cuda(
    m: int, nsample: int, min_radius: float, max_radius: float, *given: Tensor
) -> int:
    """Write what `pointops.ball_query` finds, with squared distances, into the last two tensors."""
    xyz, new_xyz, offset, new_offset, idx, squared = given
    index, distance = pointops.ball_query(
        nsample, max_radius, min_radius, xyz, offset, new_xyz, new_offset
    )
    write(squared, distance.square())
    return write(idx, index)


def random_ball_query_cuda(
    m: int, nsample: int, min_radius: float, max_radius: float, *given: Tensor
) -> int:
    """Write what `pointops.random_ball_query` finds, in the given order of all points."""
    order, xyz, new_xyz, offset, new_offset, idx, squared = given
    distance, index = balls.balls(
        nsample, max_radius, min_radius, xyz, offset, new_xyz, new_offset, order, pointops.ITSELF
    )
    write(squared, distance.square())
    return write(idx, index)


def labelstat_idx_cuda(
    b: int, n: int, m: int, nsample: int, nclass: int, label_stat: Tensor, idx: Tensor, out: Tensor
) -> int:
    """Write the sums of counts (B, N, C) at indices (B, M, K) into the last tensor (B, M, C)."""
    return write(out, _counted(label_stat, idx))


def labelstat_ballrange_cuda(
    b: int,
    n: int,
    m: int,
    radius: float,
    nclass: int,
    new_xyz: Tensor,
    xyz: Tensor,
    label_stat: Tensor,
    out: Tensor,
) -> int:
    """Write the sums of the counts (B, N, C) of all points within a radius of each centre."""
    return write(out, _counted(label_stat, balls.inside(new_xyz, xyz, radius).index))


def labelstat_and_ballquery_cuda(
    b: int,
    n: int,
    m: int,
    radius: float,
    nsample: int,
    nclass: int,
    new_xyz: Tensor,
    xyz: Tensor,
    label_stat: Tensor,
    idx: Tensor,
    out: Tensor,
) -> int:
    """Write what `ballquery_cuda` finds, and the sums of the counts of the points found."""
    index = ops.ball_query(new_xyz, xyz, radius, nsample).index
    write(idx, index.where(index >= 0, index[..., :1].clamp_min(0)))
    return write(out, _counted(label_stat, index))


def _counted(label_stat: Tensor, index: Tensor) -> Tensor:
    """The sums (B, M, C) of counts (B, N, C) at an index (B, M, K), where -1 is none."""
    checks.check(
        label_stat.dim() == 3 and not label_stat.is_floating_point(),
        f"label_stat must be integers (B, N, C), got {tuple(label_stat.shape)} of "
        f"{label_stat.dtype}",
    )
    return ops.pool_neighbours(label_stat.double(), index.long()).total  # exact up to 2^53
