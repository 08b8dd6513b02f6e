"""Point operators: exact, differentiable, compiled; plain PyTorch where no kernel is.

Padded batches (B, N, D) with `lengths` go in; distances are squared, indices are int64.

On CUDA, all work is put on torch's current stream, and only checks of values wait for the device,
once a call: with check_finite=False nothing does, `lengths` and `start` are believed too, and the
call can be captured in a CUDA graph. Chamfer, `knn` and the others give the CPU's bits; the earth
mover's matching is computed on the CPU.
"""

from __future__ import annotations

from . import library, reference
from .assign_anchors import assign_anchors
from .assign_planes import assign_planes
from .ball_query import ball_query
from .chamfer_distance import chamfer_distance
from .earth_movers_distance import EarthMovers, earth_movers_distance
from .farthest_point_sampling import farthest_point_sampling
from .group import group
from .grow_planes import grow_planes
from .index import Index
from .interpolate import interpolate
from .knn import knn
from .local_planes import local_planes
from .nearest import nearest
from .nearest_both import nearest_both
from .neighbours import Neighbours
from .plane_moments import plane_moments
from .pool_neighbours import Pooled, pool_neighbours
from .region_borders import region_borders
from .shared_planes import shared_planes
from .voxel_downsample import Voxels, voxel_downsample

__all__ = [
    "EarthMovers",
    "Index",
    "Neighbours",
    "Pooled",
    "Voxels",
    "assign_anchors",
    "assign_planes",
    "ball_query",
    "chamfer_distance",
    "earth_movers_distance",
    "farthest_point_sampling",
    "group",
    "grow_planes",
    "interpolate",
    "knn",
    "library",
    "local_planes",
    "nearest",
    "nearest_both",
    "plane_moments",
    "pool_neighbours",
    "reference",
    "region_borders",
    "shared_planes",
    "voxel_downsample",
]
