"""The values of chosen neighbours."""

from __future__ import annotations

import torch
from torch import Tensor


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
    missing = index < 0
    some = index.clamp(min=0)
    if values.device.type == "cpu":
        batch, rows, k = index.shape
        flat = some.reshape(batch, rows * k, 1).expand(-1, -1, values.shape[-1])
        chosen = values.gather(1, flat).view(batch, rows, k, -1)
    else:
        # Its gradient is sorted before it is summed up; that of gather is summed in any order.
        cloud = torch.arange(len(values), device=values.device)[:, None, None]
        chosen = values[cloud, some]
    return chosen.masked_fill(missing[..., None], 0)


def _check(values: Tensor, index: Tensor) -> None:
    for value, name in ((values, "values"), (index, "index")):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if values.dim() != 3:
        raise ValueError(f"values must be (B, N, C), got {tuple(values.shape)}")
    if index.dim() != 3 or index.shape[0] != values.shape[0]:
        raise ValueError(f"index must be ({values.shape[0]}, M, K), got {tuple(index.shape)}")
    if index.dtype != torch.int64:
        raise ValueError(f"index must be torch.int64, got {index.dtype}")
    if index.device != values.device:
        raise ValueError(f"values are on {values.device}, index is on {index.device}")
    # A traced program cannot branch on values; the gather itself refuses there.
    if torch.compiler.is_compiling() or index.numel() == 0:
        return
    if index.is_cuda and torch.cuda.is_current_stream_capturing():
        return
    least, most = (int(bound) for bound in index.aminmax())
    if least < -1 or most >= values.shape[1]:
        raise ValueError(
            f"index must be from -1 to {values.shape[1] - 1}, got {least if least < -1 else most}"
        )
