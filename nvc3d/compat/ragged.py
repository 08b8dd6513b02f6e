"""Searches among clouds of which some have fewer points than are asked for."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops import Neighbours


def ragged(
    search: Callable[..., Neighbours],
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor,
    y_lengths: Tensor,
    limits: Tensor,
    k: int,
    padding: int,
) -> Neighbours:
    """Find `limits` (B,), at most k, neighbours of each x: the clouds with as many go together.

    `search(x, y, limit, x_lengths, y_lengths)` gives (b, N, limit) each. The rest of (B, N, k) is
    distance 0 and index `padding`. Where the limit is 0 a cloud may be empty.
    """
    if len(x) and bool((limits == k).all()):
        return search(x, y, k, x_lengths, y_lengths)
    squared = x.new_zeros(*x.shape[:2], k) + zero_of(x, y)
    index = torch.full(squared.shape, padding, device=x.device)
    for limit in limits.unique().tolist():
        if limit == 0:
            continue
        rows = (limits == limit).nonzero()[:, 0]
        some, chosen = search(x[rows], y[rows], limit, x_lengths[rows], y_lengths[rows])
        squared = squared.index_copy(0, rows, F.pad(some, (0, k - limit)))
        index[rows, :, :limit] = chosen
    return Neighbours(squared, index)


def zero_of(x: Tensor, y: Tensor) -> Tensor:
    """A 0 that depends on x and y as far as autograd can tell, whatever their values."""
    return x[:, :0].sum() + y[:, :0].sum()
