"""Files of shapes: `read_shape` reads what users have, `write_cloud` writes what they want.

A format is one file in `formats/`: its suffixes, its reader and, where there is one, its writer.
The registry finds it there; nothing else needs to know of it.
"""

from nvc3d.files.depth import read_depth
from nvc3d.files.shapes import PathLike, find_shapes, read_shape, reading, write_cloud

__all__ = ["PathLike", "find_shapes", "read_depth", "read_shape", "reading", "write_cloud"]
