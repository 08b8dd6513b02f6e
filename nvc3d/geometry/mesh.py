"""The two kinds of shape: a triangle mesh and a point cloud.

Both check themselves when they are made: coordinates are finite, indices point at something, and a
mesh has some area. A cloud may be a single point; `frame` refuses one that has no extent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Of a cloud's extent: coordinates that float32 moves further are kept in float64.
_BLUR = 1e-6


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh, with a part label for each face where the parts are known.

    Args:
        vertices: (V, 3) coordinates, kept in float64.
        faces: (F, 3) indices into `vertices`; faces of no area are allowed beside others.
        face_labels: (F,) part of each face, an index into `label_names`, or None.
        label_names: the names of the parts.

    Raises:
        ValueError: a wrong shape, a coordinate that is not finite in float32, an index out of
            range, no faces, or faces that have no area at all.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    face_labels: NDArray[np.int64] | None = None
    label_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        vertices = _coordinates("vertices", "V", self.vertices, np.float64)
        faces = _integers("faces", self.faces)
        if faces.ndim != 2 or faces.shape[1] != 3:
            raise ValueError(f"faces must be (F, 3), got {faces.shape}")
        if len(faces) == 0:
            raise ValueError("a mesh needs at least one face, got none")
        if faces.min() < 0 or faces.max() >= len(vertices):
            raise ValueError(
                f"faces must index the {len(vertices)} vertices, "
                f"got indices from {faces.min()} to {faces.max()}"
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)
        object.__setattr__(self, "label_names", tuple(self.label_names))
        if self.face_labels is not None:
            labels = _labels("face_labels", self.face_labels, len(faces), "face")
            if self.label_names and labels.max() >= len(self.label_names):
                raise ValueError(
                    f"face_labels must index the {len(self.label_names)} label names, "
                    f"got {labels.max()}"
                )
            object.__setattr__(self, "face_labels", labels)
        if not self._relative_area.any():
            raise ValueError(f"the mesh has no surface: all of its {len(faces)} faces have no area")

    def sample(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Draw `n` points of the surface, each face as often as its area asks.

        Returns:
            points (n, 3) and their part labels (n,), zeros where the mesh has none.

        Raises:
            ValueError: `n` is not a positive whole number.
        """
        points, face = self._drawn(_count(n), rng)
        labels = np.zeros(n, np.int64) if self.face_labels is None else self.face_labels[face]
        return points.astype(np.float32), labels

    def _drawn(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Points (n, 3) of the surface, and the faces (n,) that they lie on."""
        face = np.searchsorted(self._cumulative_area, rng.random(n), side="right")  # (n,)
        u, v = rng.random((2, n))
        # The square root makes the draw even over a triangle instead of dense at one corner.
        u = np.sqrt(u)
        a, b, c = np.moveaxis(self.vertices[self.faces[face]], 1, 0)  # (n, 3) each
        return (1 - u)[:, None] * a + (u * (1 - v))[:, None] * b + (u * v)[:, None] * c, face

    @cached_property
    def _frame(self) -> tuple[NDArray[np.float64], float]:
        used = np.zeros(len(self.vertices), bool)
        used[self.faces] = True
        return _ball(self.vertices if used.all() else self.vertices[used])

    @cached_property
    def _relative_area(self) -> NDArray[np.float64]:
        # Measured in the unit ball, where no mesh is so small or so large that areas under- or
        # overflow.
        centre, radius = self._frame
        return doubled_area((self.vertices - centre) / radius, self.faces)

    @cached_property
    def _cumulative_area(self) -> NDArray[np.float64]:
        cumulative = np.cumsum(self._relative_area)
        # Exactly 1 at the end: a draw from [0, 1) can then never run past the last face.
        result: NDArray[np.float64] = cumulative / cumulative[-1]
        return result


@dataclass(frozen=True, eq=False)
class Cloud:
    """A point cloud: positions, and by name whatever else is known of each point.

    Args:
        points: (N, 3) coordinates, kept in float32; in float64 where float32 would blur them, as
            it does far from the origin.
        columns: by name, (N,) or (N, C) each. Four names have one meaning everywhere:
            `color` (N, 3) uint8, red, green, blue; `normal` (N, 3) float32, finite; `label` and
            `instance` (N,) int64, -1 where a point has none. Any other name is kept as it came.
        label_names: the names of the labels, where they are known.
        unit: metres of a unit of the coordinates, where it is known: 0.001 for millimetres.

    Raises:
        ValueError: a wrong shape or type, a unit that is not positive, a coordinate that is not
            finite in float32, no points, a label below -1.
    """

    points: NDArray[np.floating]
    columns: Mapping[str, NDArray] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    unit: float | None = None

    def __post_init__(self) -> None:
        if self.unit is not None and not 0 < self.unit < np.inf:
            raise ValueError(f"unit must be a positive number of metres, got {self.unit}")
        points = _coordinates("points", "N", self.points, np.float64)
        narrow = points.astype(np.float32)
        if np.abs(narrow - points).max() <= _BLUR * np.ptp(points, axis=0).max():
            points = narrow
        object.__setattr__(self, "points", points)
        columns = {name: _column(name, v, len(points)) for name, v in self.columns.items()}
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "label_names", tuple(self.label_names))

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """(N,) label of each point, -1 where it has none; None where no label is known."""
        return self.columns.get("label")

    @property
    def normals(self) -> NDArray[np.float32] | None:
        """(N, 3) normal of the surface at each point, or None."""
        return self.columns.get("normal")

    @property
    def colors(self) -> NDArray[np.uint8] | None:
        """(N, 3) red, green and blue of each point, or None."""
        return self.columns.get("color")

    def __len__(self) -> int:
        return len(self.points)

    def sample(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """Draw `n` of the points, none twice before all have been drawn once.

        Returns:
            points (n, 3) and their labels (n,), zeros where the cloud has none.

        Raises:
            ValueError: `n` is not a positive whole number.
        """
        n, size = _count(n), len(self.points)
        whole = np.tile(np.arange(size), n // size)
        index = np.concatenate([whole, rng.permutation(size)[: n % size]])  # (n,)
        labels = np.zeros(n, np.int64) if self.labels is None else self.labels[index]
        return self.points[index], labels

    @cached_property
    def _frame(self) -> tuple[NDArray[np.float64], float]:
        return _ball(self.points.astype(np.float64))


Shape: TypeAlias = Mesh | Cloud


@overload
def normalise(shape: Mesh) -> Mesh: ...
@overload
def normalise(shape: Cloud) -> Cloud: ...
def normalise(shape: Shape) -> Shape:
    """Move and scale a shape into the unit ball.

    Returns:
        The same shape with the centre of its bounding box at 0 and its farthest point at
        distance 1. Vertices that no face uses do not count.
    """
    centre, radius = frame(shape)
    if isinstance(shape, Mesh):
        vertices = (shape.vertices - centre) / radius
        return Mesh(vertices, shape.faces, shape.face_labels, shape.label_names)
    points = ((shape.points - centre) / radius).astype(np.float32)
    unit = None if shape.unit is None else shape.unit * radius
    return Cloud(points, shape.columns, shape.label_names, unit)


def frame(shape: Shape) -> tuple[NDArray[np.float64], float]:
    """The ball that `normalise` makes the unit ball.

    Returns:
        The centre (3,) of the bounding box and the distance of the farthest point from it.
    """
    return shape._frame


def drawn(mesh: Mesh, n: int, rng: np.random.Generator) -> Cloud:
    """Draw `n` points of a mesh where it lies, however far that is, with the normals of their
    faces; see `Mesh.sample`."""
    centre, radius = frame(mesh)
    unit = normalise(mesh)
    points, face = unit._drawn(_count(n), rng)
    across = _cross(unit.vertices, unit.faces)[face]  # (n, 3)
    normals = across / np.sqrt((across * across).sum(1, keepdims=True))
    placed = points.astype(np.float32).astype(np.float64) * radius + centre
    columns: dict[str, NDArray] = {"normal": normals}
    if mesh.face_labels is not None:
        columns["label"] = mesh.face_labels[face]
    return Cloud(placed, columns, mesh.label_names)


def doubled_area(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Twice the area (F,) of each of the faces (F, 3) over vertices (V, 3)."""
    x, y, z = _cross(vertices, faces).T
    area: NDArray[np.float64] = np.sqrt(x * x + y * y + z * z)
    return area


def _cross(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """The cross products (F, 3) of two edges of each face, from its first corner."""
    start = vertices[faces[:, 0]]
    a, b, c = (vertices[faces[:, 1]] - start).T  # (F,) each
    d, e, f = (vertices[faces[:, 2]] - start).T
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], 1)


def _ball(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    centre = points.min(0) / 2 + points.max(0) / 2
    offset = points - centre  # (U, 3)
    extent = np.abs(offset).max()
    if extent == 0:
        raise ValueError(f"the shape has no extent: all of its {len(points)} points are the same")
    # Divided first, because the square of a very small or large extent leaves float64.
    offset = offset / extent
    return centre, float(extent * np.sqrt((offset * offset).sum(-1).max()))


def _coordinates(name: str, count: str, values: ArrayLike, dtype: type) -> NDArray:
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"{name} must be ({count}, 3), got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must be real numbers, got {array.dtype}")
    if len(array) == 0:
        raise ValueError(f"{name} must hold at least one point, got {array.shape}")
    # A NaN fails the comparison too.
    bad = ~(np.abs(array.astype(np.float64)) <= np.finfo(np.float32).max).all(1)  # (V,)
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"{name} must be finite, got {array[first].tolist()} in row {first} "
            f"({int(bad.sum())} such rows)"
        )
    return array.astype(dtype, copy=False)


def _integers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise ValueError(f"{name} must be integers, got {array.dtype}")
    return array.astype(np.int64, copy=False)


def _labels(name: str, values: ArrayLike, count: int, owner: str) -> NDArray[np.int64]:
    array = _integers(name, values)
    if array.shape != (count,):
        raise ValueError(f"{name} must be ({count},), one for each {owner}, got {array.shape}")
    if array.min() < -1:
        raise ValueError(f"{name} must be 0 or more, or -1 for none, got {array.min()}")
    return array


def _column(name: str, values: ArrayLike, count: int) -> NDArray:
    """A column of a cloud of `count` points, checked."""
    if name in ("label", "instance"):
        return _labels(name, values, count, "point")
    array = np.asarray(values)
    if array.ndim not in (1, 2) or len(array) != count or array.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must be numbers ({count},) or ({count}, C), got {array.dtype} {array.shape}"
        )
    if name == "normal":
        normals = _coordinates("normal", "N", array, np.float32)
        return normals
    if name == "color" and (array.shape != (count, 3) or array.dtype != np.uint8):
        raise ValueError(f"color must be uint8 ({count}, 3), got {array.dtype} {array.shape}")
    return array


def _count(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"the number of points must be a positive whole number, got {n!r}")
    return int(n)
