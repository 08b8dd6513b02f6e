"""The values of chosen neighbours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import checks, transforms
from .library import registrations


def group(values: Tensor, index: Tensor) -> Tensor:
    """Gather, for every point, the values of its chosen neighbours.

    Differentiable, any number of times, in the values; the gradient has the same bits in every
    run, on any number of threads.

    Args:
        values: (B, N, C), any dtype.
        index: (B, M, K), int64, from 0 to N - 1, as `knn` and `ball_query` return it; -1 stands
            for no neighbour.

    Returns:
        (B, M, K, C); 0 where the index is -1.

    Raises:
        ValueError: on an index out of range, and on shapes, dtypes or devices that do not fit
            together.
    """
    _check(values, index)
    some = torch.ops.nvc3d.gather_index(index, values.shape[1])
    if values.shape[1] == 0:
        # Every index is -1, and there is nothing to gather from.
        return values.sum(1)[:, None, None].expand(*index.shape, -1).to(values.dtype)
    return gather(values, some).masked_fill((index < 0)[..., None], 0)


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Values (B, N, C) at an index (B, M, K) from 0 to N - 1: (B, M, K, C)."""
    batch, rows, k = index.shape
    if values.device.type == "cuda":
        # Its gradient is sorted before it is summed up; that of gather is summed in any order.
        cloud = torch.arange(batch, device=values.device)[:, None, None]
        return values[cloud, index]
    flat = index.reshape(batch, rows * k, 1).expand(-1, -1, values.shape[-1])
    return values.gather(1, flat).reshape(batch, rows, k, values.shape[-1])


def _check(values: Tensor, index: Tensor) -> None:
    for value, name in ((values, "values"), (index, "index")):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if values.dim() != 3:
        raise ValueError(f"values must be (B, N, C), got {tuple(values.shape)}")
    if index.dim() != 3 or index.shape[0] != values.shape[0]:
        raise ValueError(f"index must be ({values.shape[0]}, M, K), got {tuple(index.shape)}")
    checks.check_index(index)
    if index.device != values.device:
        raise ValueError(f"values are on {values.device}, index is on {index.device}")


@torch.library.register_fake("nvc3d::gather_index")
def _fake(index: Tensor, size: int) -> Tensor:
    checks.check_index(index)
    return index.new_empty(index.shape)


def _vmap(info: Any, in_dims: tuple[int | None, ...], index: Tensor, size: int) -> tuple:
    return torch.ops.nvc3d.gather_index(index, size), in_dims[0]


transforms.register_no_gradient("gather_index")
torch.library.register_vmap("nvc3d::gather_index", _vmap, lib=registrations)
