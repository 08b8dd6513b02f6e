"""KNN_CUDA's module over our operator: its layouts and return types.

    from nvc3d.compat.knn_cuda import KNN

Results are the peer's on valid input. Beyond it, the whole batch is searched at once, ties go to
the lowest index, float64 stays float64, and NaN or infinite points and a k beyond the number of
points are refused.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import ops


def knn(ref: Tensor, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k points of `ref` (D, N) nearest to each of `query` (D, M), nearest first.

    Returns:
        Plain distances (k, M) and indices (k, M), int64, without gradient.
    """
    distance, index = KNN(k)(ref[None], query[None])
    return distance[0], index[0]


class KNN(nn.Module):
    """Find the k nearest neighbours, nearest first.

    Args:
        k: how many, at most as many as there are points.
        transpose_mode: points are (B, N, D), not (B, D, N).
    """

    def __init__(self, k: int, transpose_mode: bool = False) -> None:
        super().__init__()
        self.k, self.transpose_mode = k, transpose_mode

    @torch.no_grad()
    def forward(self, ref: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Find the points of `ref` nearest to those of `query`.

        Args:
            ref: (B, D, N), or (B, N, D) in transpose mode.
            query: (B, D, M), or (B, M, D).

        Returns:
            Plain distances (B, k, M), or (B, M, k), and indices into `ref`, int64; no gradient.
        """
        if not self.transpose_mode:
            ref, query = ref.transpose(1, 2), query.transpose(1, 2)
        squared, index = ops.knn(query, ref, self.k)
        distance = squared.sqrt()
        if self.transpose_mode:
            return distance, index
        return distance.transpose(1, 2).contiguous(), index.transpose(1, 2).contiguous()
