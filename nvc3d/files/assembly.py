"""Parts of a scene put together, each at its places."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.mesh import Mesh

# How many vertices and corners are placed at most for each byte of the file, and at most in all
# where the file has fewer bytes: copies of one part are a few bytes each.
_COPIES_PER_BYTE, _COPIES = 200, 50_000_000


@dataclass
class Assembly:
    """Triangles and points, gathered part by part."""

    vertices: list[NDArray] = field(default_factory=list)  # (V, 3) each
    faces: list[NDArray] = field(default_factory=list)  # (F, 3) each
    points: list[NDArray] = field(default_factory=list)  # (N, 3) each
    colors: list[NDArray | None] = field(default_factory=list)  # (N, 3) each
    _count: int = 0
    _placed: int = 0

    def place(
        self,
        size: int,
        places: NDArray,
        positions: NDArray,
        faces: NDArray | None,
        colors: NDArray | None = None,
    ) -> None:
        """Put a copy of a part at each of its places.

        Args:
            size: of the file in bytes, which bounds how much its copies may take.
            places: (I, 4, 4) transforms. A reflection keeps the outside of a face outside.
            positions: (V, 3) of its vertices or points.
            faces: (F, 3), None for points.
            colors: (V, 3) of points.

        Raises:
            ValueError: the copies are too much for such a file.
        """
        count, copies = len(positions), len(places)
        self._placed += copies * (count + (0 if faces is None else faces.size))
        if self._placed > max(size, min(_COPIES_PER_BYTE * size, _COPIES)):
            raise ValueError(
                f"the copies of its parts have {self._placed} vertices and corners or more, which "
                f"is too much for a file of {size} bytes"
            )
        linear, move = places[:, :3, :3], places[:, None, :3, 3]
        placed = positions @ linear.transpose(0, 2, 1) + move  # (I, V, 3)
        if faces is None:
            self.points.append(placed.reshape(-1, 3))
            self.colors.append(None if colors is None else np.tile(colors, (copies, 1)))
            return
        index = np.tile(faces, (copies, 1, 1))  # (I, F, 3)
        mirrored = np.linalg.det(linear) < 0
        index[mirrored] = index[mirrored][:, :, ::-1]
        index += self._count + count * np.arange(copies)[:, None, None]
        self.vertices.append(placed.reshape(-1, 3))
        self.faces.append(index.reshape(-1, 3))
        self._count += copies * count

    def mesh(self) -> Mesh:
        """All triangles as one mesh."""
        return Mesh(np.concatenate(self.vertices), np.concatenate(self.faces))
