"""The nearest anchor of every latent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import checks
from .distance_backward import distance_backward


def assign_anchors(
    latents: Tensor, anchors: Tensor, *, check_finite: bool = True
) -> tuple[Tensor, Tensor]:
    """Find for every latent the nearest anchor.

    Exact, also where latents share a large offset; the lowest index on ties. The distance is
    differentiable, any number of times, in both.

    Args:
        latents: (..., D), any float dtype; half and bfloat16 are computed, and returned, in
            float32.
        anchors: (M, D).
        check_finite: refuse NaN and inf. Switch it off only for values known to be finite; with
            others the result is then undefined. The check costs one read of the values.

    Returns:
        The index (...), int64, and the squared distance (...).

    Raises:
        ValueError: if there is no anchor, on NaN or inf, and on shapes, dtypes or devices that
            do not fit together.
    """
    latents = checks.as_points(latents, "latents")
    anchors = checks.as_points(anchors, "anchors")
    if latents.dim() == 0:
        raise ValueError("latents must be (..., D), got a scalar")
    flat = latents.reshape(-1, latents.shape[-1])
    distance, index = torch.ops.nvc3d.assign_anchors(flat, anchors, check_finite)
    return index.view(latents.shape[:-1]), distance.view(latents.shape[:-1])


@torch.library.register_fake("nvc3d::assign_anchors")
def _fake(latents: Tensor, anchors: Tensor, check_finite: bool) -> tuple[Tensor, Tensor]:
    checks.check_anchors(latents, anchors)
    rows = latents.shape[0]
    return latents.new_empty(rows), latents.new_empty(rows, dtype=torch.int64)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    latents, anchors, _ = inputs
    ctx.save_for_backward(latents, anchors, output[1])
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    latents, anchors, index = ctx.saved_tensors
    if latents.shape[0] == 0:
        return torch.zeros_like(latents), torch.zeros_like(anchors), None
    grad_latents, grad_anchors = distance_backward(
        grad[None, :, None], latents[None], anchors[None], index[None, :, None], None, 2
    )
    return grad_latents[0], grad_anchors[0], None


torch.library.register_autograd("nvc3d::assign_anchors", _backward, setup_context=_save)
