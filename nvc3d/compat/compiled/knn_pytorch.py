"""The compiled module `knn_pytorch` of DenseFusion, GraspNet and their relatives."""

from __future__ import annotations

from torch import Tensor

from ..knn_cuda import KNN
from .writing import write


def knn(ref: Tensor, query: Tensor, idx: Tensor) -> int:
    """Write which points of `ref` are nearest to each of `query`, nearest first and counted from 1.

    Args:
        ref: (B, D, N).
        query: (B, D, M).
        idx: (B, k, M), where they are written.
    """
    _, index = KNN(idx.shape[1])(ref, query)
    return write(idx, index + 1)
