"""Point operators: exact, differentiable, compiled; plain PyTorch where no kernel is.

Padded batches (B, N, D) with `lengths` go in; distances are squared, indices are int64.
"""

from __future__ import annotations

from . import library, reference
from .assign_anchors import assign_anchors
from .ball_query import ball_query
from .chamfer_distance import chamfer_distance
from .earth_movers_distance import EarthMovers, earth_movers_distance
from .farthest_point_sampling import farthest_point_sampling
from .group import group
from .knn import knn
from .nearest import nearest

__all__ = [
    "EarthMovers",
    "assign_anchors",
    "ball_query",
    "chamfer_distance",
    "earth_movers_distance",
    "farthest_point_sampling",
    "group",
    "knn",
    "library",
    "nearest",
    "reference",
]
