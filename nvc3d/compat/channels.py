"""Features with their channels first, (B, C, N), gathered as the peers of PointNet++ want it."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import ops


def gather(features: Tensor, index: Tensor) -> Tensor:
    """Features (B, C, N) at an index (B, M, K) from 0 to N - 1: (B, C, M, K), contiguous."""
    grouped = ops.group(features.transpose(1, 2), index.long())  # (B, M, K, C)
    # A copy in any case: peers change what they have grouped.
    return grouped.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
