"""Data sets of shapes with labels, each read in the layout in which it is handed out.

| class          | data set                                | labels                            |
|----------------|-----------------------------------------|-----------------------------------|
| `ShapeNetPart` | 16 categories of ShapeNet, as text      | a part of each point, 50 in all   |
| `PartFiles`    | the same, or others like it, as HDF5    | the same                          |
| `ModelNet40`   | 40 categories, as HDF5                  | the category of each shape        |
"""

from nvc3d.data.labelled.base import LabelledClouds
from nvc3d.data.labelled.modelnet40 import ModelNet40
from nvc3d.data.labelled.part_files import PartFiles
from nvc3d.data.labelled.shapenetpart import PARTS, ShapeNetPart

__all__ = ["PARTS", "LabelledClouds", "ModelNet40", "PartFiles", "ShapeNetPart"]
