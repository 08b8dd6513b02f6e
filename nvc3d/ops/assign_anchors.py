"""The nearest anchor of every latent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import checks, transforms
from .distances import register_distances
from .library import registrations
from .neighbours import Neighbours


def assign_anchors(latents: Tensor, anchors: Tensor, *, check_finite: bool = True) -> Neighbours:
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
        `squared` (...), the squared distances, and `index` (...), int64.

    Raises:
        ValueError: if there is no anchor, on NaN or inf, and on shapes, dtypes or devices that
            do not fit together.
    """
    latents = checks.as_points(latents, "latents")
    anchors = checks.as_points(anchors, "anchors")
    if latents.dim() == 0:
        raise ValueError("latents must be (..., D), got a scalar")
    flat = latents[None] if latents.dim() == 1 else latents.flatten(0, -2)
    squared, index = torch.ops.nvc3d.assign_anchors(flat, anchors, check_finite)
    return Neighbours(squared.view(latents.shape[:-1]), index.view(latents.shape[:-1]))


@torch.library.register_fake("nvc3d::assign_anchors")
def _fake(latents: Tensor, anchors: Tensor, check_finite: bool) -> tuple[Tensor, Tensor]:
    checks.check_anchors(latents, anchors)
    rows = latents.shape[0]
    return latents.new_empty(rows), latents.new_empty(rows, dtype=torch.int64)


def _vmap(
    info: Any, in_dims: tuple[int | None, ...], latents: Tensor, anchors: Tensor, check_finite: bool
) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
    latents = transforms.stacked(latents, in_dims[0], info.batch_size)  # (V, N, D)
    if in_dims[1] is None and latents.dim() == 3:
        found = torch.ops.nvc3d.assign_anchors(latents.flatten(0, 1), anchors, check_finite)
        return tuple(part.unflatten(0, latents.shape[:2]) for part in found), (0, 0)
    each = [
        torch.ops.nvc3d.assign_anchors(*pair, check_finite)
        for pair in zip(
            latents, transforms.stacked(anchors, in_dims[1], info.batch_size), strict=True
        )
    ]
    return tuple(torch.stack(parts) for parts in zip(*each, strict=True)), (0, 0)


register_distances("assign_anchors")
torch.library.register_vmap("nvc3d::assign_anchors", _vmap, lib=registrations)
