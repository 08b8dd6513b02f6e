"""Data sets of completion, each read in the layout in which it is handed out.

| class          | data set                               | points: partial, complete |
|----------------|----------------------------------------|---------------------------|
| `PCN`          | 8 categories of ShapeNet, depth views  | 2,048, 16,384             |
| `Completion3D` | the same, smaller clouds               | 2,048, 2,048              |
| `MVP`          | 16 categories, 26 views of each shape  | 2,048, 2,048              |
| `ShapeNet55`   | 55 categories, parts cut away          | 2,048, 8,192              |
| `KittiCars`    | cars in laser scans, no complete cloud | as many as were seen      |

Items are read when they are asked for, so that sets larger than memory can be trained on.
Coordinates are those of the data set.
"""

from nvc3d.data.pairs.base import StoredPairs
from nvc3d.data.pairs.completion3d import Completion3D
from nvc3d.data.pairs.kitti import KittiCars, holds_cars
from nvc3d.data.pairs.mvp import MVP
from nvc3d.data.pairs.pcn import PCN
from nvc3d.data.pairs.shapenet55 import ShapeNet55

__all__ = [
    "MVP",
    "PCN",
    "Completion3D",
    "KittiCars",
    "ShapeNet55",
    "StoredPairs",
    "holds_cars",
]
