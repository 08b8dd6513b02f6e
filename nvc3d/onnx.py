"""Exported programs as ONNX, of its standard operators alone: no runtime needs anything of nvc3d.

Neighbours are a table of distances and TopK, farthest points a Loop over the picks. Answers are the
same up to rounding; times and memory are not those of nvc3d's kernels.
"""

from __future__ import annotations

import logging
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from onnx.inliner import inline_local_functions
from onnx.numpy_helper import from_array
from onnxscript import DOUBLE, FLOAT, INT64, script
from onnxscript import opset18 as op
from onnxscript.values import Opset
from torch.export import ExportedProgram
from torch.onnx.errors import OnnxExporterError

from nvc3d import ops  # noqa: F401 # brings the operators

EXPANDED = 8
"""Dimensions from which on the square of a distance is expanded, in float64: no table of all
differences is made."""

Number = TypeVar("Number", FLOAT, DOUBLE)
SWEEPS = 8
"""Rotations about every pair of axes, after which small symmetric matrices are diagonal."""
SMALL = 1e-6
"""The optimizer takes smaller numbers that are added for 0: what is divided by then may be 0."""
_FLOAT32, _INT32, _FLOAT64 = 1, 6, 11  # of TensorProto


def translated(exported: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    """The ModelProto of an exported program, whose inputs and outputs get these names.

    Raises ValueError, which names it, where ONNX lacks an operator of the program.
    """
    # It tells everyone that torchvision is not installed.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        program = torch.onnx.export(
            exported,
            input_names=[*inputs],
            output_names=[*outputs],
            custom_translation_table=TRANSLATIONS,
            verbose=False,
        )
    except OnnxExporterError as error:
        lacking = re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", str(error))
        if lacking is None:
            raise
        raise ValueError(
            f"the model cannot be written as ONNX, which has no operator for {lacking[1]}: write a "
            ".pt2 file"
        ) from None
    assert program is not None
    return inline_local_functions(program.model_proto)


@script(Opset("nvc3d", 1), default_opset=op)
def farthest(points: FLOAT[...], last: INT64, start: INT64[...]) -> INT64[...]:
    """Picks (B, last + 1) of points (B, N, D), each farthest from all before, from `start` (B,)."""
    here = op.Unsqueeze(start, [1])
    picks = op.Identity(here)
    apart = points - op.GatherND(points, op.Unsqueeze(here, [2]), batch_dims=1)
    least = op.ReduceSum(apart * apart, [2], keepdims=0)
    for _i in range(last):
        here = op.ArgMax(least, axis=1, keepdims=1)
        picks = op.Concat(picks, here, axis=1)
        apart = points - op.GatherND(points, op.Unsqueeze(here, [2]), batch_dims=1)
        least = op.Min(least, op.ReduceSum(apart * apart, [2], keepdims=0))
    return picks


@script(Opset("nvc3d", 1), default_opset=op)
def diagonal(
    matrices: Number, first: Number, other: Number, both: Number, trips: INT64
) -> tuple[Number, Number]:
    """Symmetric matrices (B, N, N) turned until they are diagonal, and the turns, by Jacobi's
    rotations. Each is about a pair of axes: 1 stands in a row of `first` and `other` (P, N, N) at
    an axis on the diagonal, and of `both` where they cross."""
    one = op.ReduceSum(op.Max(first, other), [0], keepdims=0)
    one = op.Min(one, op.CastLike(1, one))
    turned = op.Identity(matrices)
    turn = op.Expand(one, op.Shape(matrices))
    pairs = op.Squeeze(op.Shape(both, start=0, end=1))
    for i in range(trips):
        pair = op.Mod(i, pairs)
        here = op.Gather(first, pair)
        there = op.Gather(other, pair)
        cross = op.Gather(both, pair)
        off = 2.0 * op.ReduceSum(turned * cross, [1, 2], keepdims=1)
        apart = op.ReduceSum(turned * (there - here), [1, 2], keepdims=1)
        far = op.Abs(apart) + op.Sqrt(apart * apart + off * off)
        # Where both are 0 there is nothing to turn.
        tangent = off / op.Max(far, 1e-30)
        tangent = op.Where(apart < 0.0, op.Neg(tangent), tangent)
        cosine = op.Reciprocal(op.Sqrt(1.0 + tangent * tangent))
        skew = cross - op.Transpose(cross, perm=[1, 0])
        step = one + (cosine - 1.0) * (here + there) + cosine * tangent * skew
        turned = op.MatMul(op.Transpose(step, perm=[0, 2, 1]), op.MatMul(turned, step))
        turn = op.MatMul(turn, step)
    return turned, turn


def _eigh(matrices: Any, UPLO: str = "L", compute_v: bool = True) -> Any:
    return _eigenvectors(matrices, matrices.shape[-1])


def _eigenvectors(matrices: Any, size: int) -> Any:
    """The eigenvalues (B, size) of symmetric matrices (B, size, size), the least first, and what
    belongs to them as columns."""
    rows, columns = torch.triu_indices(size, size, 1)
    one, pairs = torch.eye(size), len(rows)
    masks = (
        one[rows, :, None] * one[rows, None],
        one[columns, :, None] * one[columns, None],
        one[rows, :, None] * one[columns, None],
    )
    *chosen, unit = (
        op.CastLike(op.Constant(value=from_array(mask.numpy())), matrices) for mask in (*masks, one)
    )
    trips = op.Constant(value_int=SWEEPS * pairs)
    turned, turn = diagonal(matrices, *chosen, trips)
    values = op.ReduceSum(op.Mul(turned, unit), [2], keepdims=0)
    ascending, order = op.TopK(values, [size], axis=1, largest=0, sorted=1)
    every = op.Expand(op.Unsqueeze(order, [1]), op.Shape(turn))
    return ascending, op.GatherElements(turn, every, axis=2)


def _local_planes(points: Any, index: Any) -> Any:
    near = op.Gather(op.Cast(points, to=_FLOAT64), index)  # (M, K, 3)
    apart = op.Sub(near, op.ReduceMean(near, [1]))
    products = op.Einsum(apart, apart, equation="mki,mkj->mij")
    count = op.CastLike(op.Shape(index, start=1), products)
    values, axes = _eigenvectors(op.Div(products, count), 3)
    normal = op.Squeeze(op.Slice(axes, [0], [1], [2]), [2])
    largest = op.ArgMax(op.Abs(normal), axis=1, keepdims=1)
    normal = op.Mul(normal, op.Sign(op.GatherElements(normal, largest, axis=1)))
    return op.CastLike(normal, points), op.Max(op.CastLike(values, points), 0.0)


def _farthest_point_sampling(
    points: Any, k: Any, lengths: Any, start: Any, check_finite: bool
) -> Any:
    return farthest(points, op.Sub(k, 1), start)


def _knn(
    x: Any,
    y: Any,
    k: Any,
    x_lengths: Any,
    y_lengths: Any,
    norm: int,
    check_finite: bool,
    limit: float | None = None,
) -> Any:
    if x.shape[2] < EXPANDED:
        apart = op.Sub(op.Unsqueeze(x, [2]), op.Unsqueeze(y, [1]))  # (B, N, M, D)
        table = op.ReduceSum(op.Mul(apart, apart) if norm == 2 else op.Abs(apart), [3], keepdims=0)
    else:
        table = _expanded(x, y)
    # On ties the lower index comes first, as ours does.
    return op.TopK(table, op.Reshape(k, [1]), axis=2, largest=0, sorted=1)


def _expanded(x: Any, y: Any) -> Any:
    """Squared distances (B, N, M) of features, rounded once."""
    x, y = op.Cast(x, to=_FLOAT64), op.Cast(y, to=_FLOAT64)
    own = op.ReduceSum(op.Mul(x, x), [2], keepdims=1)
    other = op.ReduceSum(op.Mul(y, y), [2], keepdims=1)
    both = op.MatMul(x, op.Transpose(y, perm=[0, 2, 1]))
    table = op.Sub(op.Add(own, op.Transpose(other, perm=[0, 2, 1])), op.Add(both, both))
    return op.Max(op.Cast(table, to=_FLOAT32), 0.0)


def _pool_neighbours(values: Any, index: Any) -> Any:
    # Encoders pool what knn has found: there is no -1.
    near = op.GatherND(values, op.Unsqueeze(index, [3]), batch_dims=1)  # (B, M, K, C)
    which = op.Cast(op.ArgMax(near, axis=2, keepdims=0), to=_INT32)
    return op.ReduceMax(near, [2], keepdims=0), op.ReduceSum(near, [2], keepdims=0), which


def _assign_anchors(latents: Any, anchors: Any, check_finite: bool) -> Any:
    apart = op.Sub(op.Unsqueeze(latents, [1]), op.Unsqueeze(anchors, [0]))  # (N, M, D)
    table = op.ReduceSum(op.Mul(apart, apart), [2], keepdims=0)
    return op.ReduceMin(table, [1], keepdims=0), op.ArgMin(table, axis=1, keepdims=0)


def _gather_index(index: Any, size: Any) -> Any:
    return op.Max(index, 0)


def _embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> Any:
    # Interpolation alone has bags, and all of them have as many members.
    rows = op.Mul(op.Gather(weight, indices), op.Unsqueeze(per_sample_weights, [1]))
    shape = op.Concat(
        op.Shape(offsets), op.Constant(value_ints=[-1]), op.Shape(weight, start=1), axis=0
    )
    summed = op.ReduceSum(op.Reshape(rows, shape), [1], keepdims=0)
    return summed, offsets, offsets, offsets


def _add(one: Any, other: Any, alpha: float = 1.0) -> Any:
    if isinstance(other, float) and abs(alpha * other) < SMALL:
        return op.Sum(one, op.CastLike(op.Constant(value_float=alpha * other), one))
    return op.Add(one, other if alpha == 1 else op.Mul(other, alpha))


def _floordiv(number: Any, by: Any) -> Any:
    # ONNX divides towards 0, Python down; its remainder is as Python's.
    return op.Div(op.Sub(number, op.Mod(number, by)), by)


def _adaptive_avg_pool3d(grid: Any, output_size: Sequence[int]) -> Any:
    axes = []
    for before, after in zip(grid.shape[2:], output_size, strict=True):
        mean = torch.nn.functional.adaptive_avg_pool1d(torch.eye(before)[None], after)[0]
        axes.append(op.Constant(value=from_array(mean.T.contiguous().numpy())))
    return op.Einsum(grid, *axes, equation="bcxyz,ix,jy,kz->bcijk")


_BAGS = ("_embedding_bag", "_embedding_bag_forward_only", "embedding_bag")
TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.nvc3d.farthest_point_sampling.default: _farthest_point_sampling,
    torch.ops.nvc3d.knn.default: _knn,
    torch.ops.nvc3d.pool_neighbours.default: _pool_neighbours,
    torch.ops.nvc3d.local_planes.default: _local_planes,
    torch.ops.nvc3d.assign_anchors.default: _assign_anchors,
    torch.ops.nvc3d.gather_index.default: _gather_index,
    **{getattr(torch.ops.aten, name).default: _embedding_bag for name in _BAGS},
    torch.ops.aten.embedding_bag.padding_idx: _embedding_bag,
    torch.ops.aten._linalg_eigh.default: _eigh,
    torch.ops.aten._adaptive_avg_pool3d.default: _adaptive_avg_pool3d,
    torch.ops.aten.add.Tensor: _add,
    operator.floordiv: _floordiv,
}
"""Operator of torch -> what builds the same of ONNX's."""
