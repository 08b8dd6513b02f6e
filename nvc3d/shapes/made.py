"""Built-in shapes that are made once."""

from __future__ import annotations

from collections.abc import Sequence

from nvc3d.geometry.mesh import Mesh
from nvc3d.shapes import BuiltinShapes

KEPT = 5000
"""Most built-in shapes that are kept in memory, 70 kB each; it takes ten times as long to make one
as to draw its points."""


class Made(Sequence[tuple[Mesh, int, str]]):
    """Built-in shapes of which the first `KEPT` that are asked for are made only once."""

    def __init__(self, shapes: BuiltinShapes) -> None:
        self._shapes = shapes
        self._made: dict[int, tuple[Mesh, int, str]] = {}
        self.categories = shapes.categories

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> tuple[Mesh, int, str]:  # type: ignore[override]
        item = self._made.get(index) or self._shapes[index]
        if len(self._made) < KEPT:
            self._made[index] = item
        return item

    def label(self, index: int) -> int:
        return self._shapes.label(index)
