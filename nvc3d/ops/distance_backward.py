"""The gradient that all neighbour operators share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import checks


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
    checks.check_neighbours(x, y, x_lengths, None, norm)
    checks.check(
        index.dim() == 3 and index.shape[:2] == x.shape[:2] and index.shape == grad.shape,
        f"grad and index must be (B, N, K), got {tuple(grad.shape)} and {tuple(index.shape)}",
    )
    return torch.empty_like(x), torch.empty_like(y)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    grad, x, y, index, ctx.x_lengths, ctx.norm = inputs
    ctx.save_for_backward(grad, x, y, index)


def _backward(ctx: Any, grad_x: Tensor, grad_y: Tensor) -> tuple[Tensor | None, ...]:
    """The operator is linear in grad, and for norm 2 in the differences x - y[index].

    With u and v the gradients that come in for its two results, <result, (u, v)> is the sum of
    grad * slope(x - y[index]) * (u - v[index]): in grad a gather; in (x, y), for norm 2, the
    operator itself with (u, v) in their place; for norm 1, whose slope is constant, nothing.
    """
    grad, x, y, index = ctx.saved_tensors
    batch, rows, k = index.shape
    flat = index.reshape(batch, rows * k, 1).expand(-1, -1, x.shape[-1])  # (B, N*K, D)

    def differences(a: Tensor, b: Tensor) -> Tensor:
        return a[:, :, None] - b.gather(1, flat).view(batch, rows, k, -1)  # (B, N, K, D)

    slope = differences(x, y)
    slope = slope.sign() if ctx.norm == 1 else 2 * slope
    grad_grad = (slope * differences(grad_x, grad_y)).sum(-1)  # (B, N, K)
    if ctx.x_lengths is not None:
        padded = torch.arange(rows, device=x.device) >= ctx.x_lengths[:, None]
        grad_grad = grad_grad.masked_fill(padded[..., None], 0)
    if ctx.norm == 1:
        return grad_grad, None, None, None, None, None
    again_x, again_y = distance_backward(grad, grad_x, grad_y, index, ctx.x_lengths, ctx.norm)
    return grad_grad, again_x, again_y, None, None, None


torch.library.register_autograd("nvc3d::distance_backward", _backward, setup_context=_save)
