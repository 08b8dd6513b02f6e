"""Point operators: exact, differentiable, compiled; plain PyTorch where no kernel is.

Padded batches (B, N, D) with `lengths` go in; distances are squared, indices are int64.
"""

from __future__ import annotations

from . import library, reference
from .assign_anchors import assign_anchors
from .chamfer_distance import chamfer_distance
from .farthest_point_sampling import farthest_point_sampling
from .knn import knn
from .nearest import nearest

__all__ = [
    "assign_anchors",
    "chamfer_distance",
    "farthest_point_sampling",
    "knn",
    "library",
    "nearest",
    "reference",
]
