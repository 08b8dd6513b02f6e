"""Attention in windows, as Stratified Transformer computes it: along pairs, with tables.

A pair (M,) has a query and a key, (N, H, C), in H heads, and cells (M, 3) of tables (L, H, C, 3)
that hold a vector for each step along each axis. Where pairs are sorted by their queries,
`offsets` (N + 1,) say where those of each begin. (Lai et al., "Stratified Transformer for 3D Point
Cloud Segmentation", CVPR 2022.)
"""

from __future__ import annotations

import torch
from torch import Tensor


def attention_step1(q: Tensor, k: Tensor, index0: Tensor, index1: Tensor) -> Tensor:
    """Multiply queries and keys along pairs (M,): (M, H)."""
    return (q[index0.long()] * k[index1.long()]).sum(2)


def attention_step1_v2(
    q: Tensor, k: Tensor, index1: Tensor, index0_offsets: Tensor, n_max: int | Tensor
) -> Tensor:
    """As `attention_step1`, by where the pairs of each query begin; `n_max` has no effect."""
    return attention_step1(q, k, of_offsets(index0_offsets), index1)


def attention_step2(attn: Tensor, v: Tensor, index0: Tensor, index1: Tensor) -> Tensor:
    """Sum values (N, H, C), weighed (M, H) along pairs, at the queries: (max(index0) + 1, H, C)."""
    return at_queries(attn[..., None] * v[index1.long()], index0)


attention_step2_v2 = attention_step2


def dot_prod_with_idx(q: Tensor, index: Tensor, table: Tensor, rel_idx: Tensor) -> Tensor:
    """Multiply queries with the vectors of their pairs' cells: (M, H)."""
    return (q[index.long()] * of_cells(table, rel_idx)).sum(2)


def dot_prod_with_idx_v2(
    q: Tensor,
    index_q: Tensor,
    k: Tensor,
    index_k: Tensor,
    table_q: Tensor,
    table_k: Tensor,
    rel_idx: Tensor,
) -> Tensor:
    """The same of queries and of keys, each with a table, and summed: (M, H)."""
    of_queries = dot_prod_with_idx(q, index_q, table_q, rel_idx)
    return of_queries + dot_prod_with_idx(k, index_k, table_k, rel_idx)


def dot_prod_with_idx_v3(
    q: Tensor,
    index_q_offsets: Tensor,
    n_max: int | Tensor,
    k: Tensor,
    index_k: Tensor,
    table_q: Tensor,
    table_k: Tensor,
    rel_idx: Tensor,
) -> Tensor:
    """As `dot_prod_with_idx_v2`, by where the pairs of each query begin; `n_max` has no effect."""
    index_q = of_offsets(index_q_offsets)
    return dot_prod_with_idx_v2(q, index_q, k, index_k, table_q, table_k, rel_idx)


def attention_step2_with_rel_pos_value(
    attn: Tensor, v: Tensor, index0: Tensor, index1: Tensor, table: Tensor, rel_idx: Tensor
) -> Tensor:
    """As `attention_step2`, of values moved by the vectors of their pairs' cells."""
    return at_queries(moved(attn, v, index1, table, rel_idx), index0)


def attention_step2_with_rel_pos_value_v2(
    attn: Tensor,
    v: Tensor,
    index0_offsets: Tensor,
    n_max: int | Tensor,
    index1: Tensor,
    table: Tensor,
    rel_idx: Tensor,
) -> Tensor:
    """The same by where the pairs of each query begin: (N, H, C); `n_max` has no effect."""
    weighed = moved(attn, v, index1, table, rel_idx)
    return at_queries(weighed, of_offsets(index0_offsets), rows=len(index0_offsets) - 1)


def moved(attn: Tensor, v: Tensor, index1: Tensor, table: Tensor, rel_idx: Tensor) -> Tensor:
    """Values of pairs with their cells' vectors, weighed: (M, H, C)."""
    return attn[..., None] * (v[index1.long()] + of_cells(table, rel_idx))


def at_queries(values: Tensor, index0: Tensor, rows: int | None = None) -> Tensor:
    """Sum what pairs have (M, H, C) at their queries: (rows, H, C)."""
    if rows is None:
        rows = int(index0.max()) + 1
    return values.new_zeros(rows, *values.shape[1:]).index_add(0, index0.long(), values)


def of_cells(table: Tensor, rel_idx: Tensor) -> Tensor:
    """The vectors of cells (M, 3), summed over the axes: (M, H, C)."""
    x, y, z = (table[..., axis][rel_idx[:, axis].long()] for axis in range(3))
    return x + y + z


def of_offsets(offsets: Tensor) -> Tensor:
    """The query of each pair (M,), by where those of each query begin (N + 1,)."""
    counts = offsets.long().diff()
    return torch.arange(len(counts), device=offsets.device).repeat_interleave(counts)
