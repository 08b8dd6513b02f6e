"""Voxel grids as they are stored, and what one look at them shows.

A grid is (X, Y, Z) uint8: 0 is empty, 1 and above are classes (1 alone where there are none), and
255 is unknown.

| what            | where                                                                     |
|-----------------|---------------------------------------------------------------------------|
| `GridFolder`    | grids, meshes and clouds of a folder                                      |
| `SemanticKitti` | laser scans of streets and the scenes around them                         |
| `PartialGrids`  | pairs of a view and the whole grid, for completion                        |
| `look`          | what is seen of a grid from a direction, and what is known to be free     |
| `voxelise`      | the grid of a mesh or cloud, with its labels; `place`: where it then lies |
| `read_grids`    | the grids of a file, if it `holds_grids`; `as_grid`: one, checked         |
"""

from nvc3d.data.grids.folder import GridFolder, Grids, as_grid, holds_grids, read_grids
from nvc3d.data.grids.partial import PartialGrids
from nvc3d.data.grids.semantic_kitti import SemanticKitti
from nvc3d.geometry.grid_views import look
from nvc3d.geometry.voxelise import UNKNOWN, place, voxelise

__all__ = [
    "UNKNOWN",
    "GridFolder",
    "Grids",
    "PartialGrids",
    "SemanticKitti",
    "as_grid",
    "holds_grids",
    "look",
    "place",
    "read_grids",
    "voxelise",
]
