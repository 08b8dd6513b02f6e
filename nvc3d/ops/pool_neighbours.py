"""What lies around: the maximum and the sum of the values of chosen neighbours."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import checks, reference, transforms


class Pooled(NamedTuple):
    """The `maximum` and the `total` of the values of each point's neighbours, by channel."""

    maximum: Tensor
    total: Tensor


# So that torch.export.save takes a program that returns them.
torch.utils._pytree._register_namedtuple(Pooled, serialized_type_name="nvc3d.ops.Pooled")


def pool_neighbours(values: Tensor, index: Tensor) -> Pooled:
    """Find, for every point, the maximum and the sum of the values of its chosen neighbours.

    As `group`, and then the maximum and the sum, but no tensor of all neighbours is made.

    Differentiable, any number of times, in the values; of equal maxima the neighbour named first
    has the gradient. Sums are formed in the order of the index, those of the gradient in the order
    of the points: the same bits in every run, on any number of threads.

    Args:
        values: (B, N, C), float32 or float64; NaN is greater than all.
        index: (B, M, K), int64, from 0 to N - 1, as `knn` and `ball_query` return it; -1 stands
            for no neighbour.

    Returns:
        `maximum` (B, M, C) and `total` (B, M, C); 0 where a point has no neighbour.

    Raises:
        ValueError: on an index out of range, and on shapes, dtypes or devices that do not fit
            together.
    """
    for value, name in ((values, "values"), (index, "index")):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    maximum, total, _ = torch.ops.nvc3d.pool_neighbours(values, index)
    return Pooled(maximum, total)


@torch.library.register_fake("nvc3d::pool_neighbours")
def _fake(values: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    checks.check_grouped(values, index)
    shape = (*index.shape[:2], values.shape[2])
    which = values.new_empty(shape, dtype=torch.int32)
    return values.new_empty(shape), values.new_empty(shape), which


@torch.library.register_fake("nvc3d::pool_neighbours_backward")
def _fake_backward(
    maximum_grad: Tensor, total_grad: Tensor, index: Tensor, which: Tensor, size: int
) -> Tensor:
    checks.check_pooled(maximum_grad, total_grad, index, which)
    return maximum_grad.new_empty((maximum_grad.shape[0], size, maximum_grad.shape[2]))


def _plain(operator: transforms.Call, arguments: tuple[Any, ...]) -> tuple[Tensor, ...]:
    return reference.pool_neighbours(*arguments)


def _plain_backward(operator: transforms.Call, arguments: tuple[Any, ...]) -> Tensor:
    return reference.pool_neighbours_backward(*arguments)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, operator: transforms.Call, values: Tensor, index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        maximum, total, which = operator(values, index)
        ctx.save_for_backward(index, which)
        ctx.size = values.shape[1]
        ctx.mark_non_differentiable(which)
        return maximum, total, which

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        index, which = ctx.saved_tensors
        backward = torch.ops.nvc3d.pool_neighbours_backward
        return None, backward(grads[0], grads[1], index, which, ctx.size), None


class _PoolBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, operator: transforms.Call, *arguments: Any) -> Tensor:
        _, _, index, which, _ = arguments
        ctx.save_for_backward(index, which)
        return operator(*arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The operator is linear in both gradients: that in the maximum's gathers, that in the
        total's sums."""
        index, which = ctx.saved_tensors
        (grad,) = grads  # (B, N, C)
        if grad.shape[1] == 0:
            none = grad.new_zeros(which.shape)
            return None, none, none, None, None, None
        chosen = grad.gather(1, which.clamp_min(0).to(torch.int64)).masked_fill(which < 0, 0)
        return None, chosen, pool_neighbours(grad, index).total, None, None, None


transforms.register_autograd("pool_neighbours", 1, _plain, _Pool)
transforms.register_autograd("pool_neighbours_backward", 2, _plain_backward, _PoolBackward)
transforms.register_vmap("pool_neighbours")
transforms.register_vmap("pool_neighbours_backward")
