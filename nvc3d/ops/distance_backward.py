"""The gradient that all neighbour operators share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import checks, reference, transforms
from .group import gather


def distance_backward(
    grad: Tensor, x: Tensor, y: Tensor, index: Tensor, x_lengths: Tensor | None, norm: int
) -> tuple[Tensor, Tensor]:
    """Gradients in x (B, N, D) and y (B, M, D) of the distances to the neighbours `index`.

    grad and index are (B, N, K). The same bits in every run, on any number of threads; itself
    differentiable any number of times. For norm 1 the derivative of |t| at 0 is 0.
    """
    return torch.ops.nvc3d.distance_backward(grad, x, y, index, x_lengths, norm)


@torch.library.register_fake("nvc3d::distance_backward")
def _fake(
    grad: Tensor, x: Tensor, y: Tensor, index: Tensor, x_lengths: Tensor | None, norm: int
) -> tuple[Tensor, Tensor]:
    checks.check_choices(grad, x, y, index, x_lengths, norm)
    # Contiguous, whatever the strides of x and y.
    return x.new_empty(x.shape), y.new_empty(y.shape)


def _plain(operator: transforms.Call, arguments: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
    return reference.distance_backward(*arguments)


class _DistanceBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, operator: transforms.Call, *arguments: Any) -> tuple[Tensor, Tensor]:
        *tensors, ctx.norm = arguments
        ctx.save_for_backward(*tensors)
        return operator(*arguments)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The operator is linear in grad, and for norm 2 in the differences x - y[index].

        With u and v the gradients that come in for its two results, <result, (u, v)> is the sum
        of grad * slope(x - y[index]) * (u - v[index]): in grad a gather; in (x, y), for norm 2,
        the operator itself with (u, v) in their place; for norm 1, whose slope is constant,
        nothing.
        """
        grad, x, y, index, x_lengths = ctx.saved_tensors
        slope = x[:, :, None] - gather(y, index)  # (B, N, K, D)
        slope = slope.sign() if ctx.norm == 1 else 2 * slope
        grad_x, grad_y = grads
        change = grad_x[:, :, None] - gather(grad_y, index)
        grad_grad = (slope * change).sum(-1)  # (B, N, K)
        if x_lengths is not None:
            padded = torch.arange(x.shape[1], device=x.device) >= x_lengths[:, None]
            grad_grad = grad_grad.masked_fill(padded[..., None], 0)
        if ctx.norm == 1:
            return None, grad_grad, None, None, None, None, None
        again_x, again_y = distance_backward(grad, grad_x, grad_y, index, x_lengths, ctx.norm)
        return None, grad_grad, again_x, again_y, None, None, None


transforms.register_autograd("distance_backward", 3, _plain, _DistanceBackward)
transforms.register_vmap("distance_backward")
