"""Points and their planes as a data set stores them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.data.draws import rows_drawn
from nvc3d.data.stored import Stored, require_counts
from nvc3d.geometry.intrinsics import Intrinsics
from nvc3d.geometry.planes import fit_planes

LEAST = 8
"""Points of a plane among those that are drawn; of one that has fewer, they are in none."""
TYPES = ("plane",)
"""The types of planes where a data set does not tell them."""


@dataclass(frozen=True, eq=False)
class PlaneFrame:
    """What is seen from one place, or scanned of one. Lengths are metres, and z is up; of an image
    x is to the right and y forward, and the camera at 0.

    Args:
        points: (N, 3) float64.
        plane: (N,) int64, the number of each point's plane, -1 where it is in none.
        normal: (P, 3) float64, of length 1.
        offset: (P,) float64, normal · x of the points of a plane.
        types: (P,) int64, what each plane is of, an index into the data set's `types`.
        colors: (N, 3) uint8, where they are known.
        depth: (height, width), z before the camera, 0 where nothing was seen, of an image.
        camera: of that.

    Raises ValueError on shapes that do not fit together and planes out of range.
    """

    points: NDArray[np.float64]
    plane: NDArray[np.int64]
    normal: NDArray[np.float64]
    offset: NDArray[np.float64]
    types: NDArray[np.int64]
    colors: NDArray[np.uint8] | None = None
    depth: NDArray[np.floating] | None = None
    camera: Intrinsics | None = None

    @classmethod
    def fitted(cls, points: NDArray[np.float64], own: NDArray[np.int64], **seen: Any) -> PlaneFrame:
        """Of points whose planes (N,) are known, -1 for none, and what else is seen of them; the
        planes are fitted to them, and of no known type."""
        found = fit_planes(points, own)
        types = np.zeros(len(found.offset), np.int64)
        return cls(points, found.instance, found.normal, found.offset, types, **seen)

    def __post_init__(self) -> None:
        count, planes = len(self.points), len(self.offset)
        wanted = {"points": (count, 3), "plane": (count,), "normal": (planes, 3)}
        wanted |= {"types": (planes,)}
        if self.colors is not None:
            wanted["colors"] = (count, 3)
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must be {shape}, got {getattr(self, name).shape}")
        if count == 0:
            raise ValueError("there are no points")
        if self.plane.min() < -1 or self.plane.max() >= planes:
            raise ValueError(
                f"the numbers of planes must be from -1 to {planes - 1}, "
                f"got {self.plane.min()} to {self.plane.max()}"
            )
        if not (np.isfinite(self.normal).all() and np.isfinite(self.offset).all()):
            raise ValueError("planes must be finite")


class Planes(Stored[PlaneFrame]):
    """The base of the data sets of planes; see Stored for broken files and randomness.

    Args:
        points: how many of a frame, drawn at random, or repeated if there are fewer.
        seed, training: see Stored.

    Raises:
        ValueError: a number that is out of range.
    """

    types: tuple[str, ...] = TYPES
    """What planes are of."""
    colors: bool = False
    """Whether all frames have them."""

    def __init__(self, points: int, seed: int, training: bool) -> None:
        require_counts(points=points)
        super().__init__(seed, training)
        self.points = points

    @abstractmethod
    def read(self, index: int) -> PlaneFrame:
        """The whole frame that an item is drawn from."""

    def load(self, index: int, rng: np.random.Generator) -> PlaneFrame:
        return self.read(index)

    def draw(self, loaded: PlaneFrame, rng: np.random.Generator) -> dict[str, Any]:
        """In metres, z up:

        - points: (points, 3) float32,
        - features: (points, 3) float32, the colours from 0 to 1, where all frames have them,
        - instance: (points,) int64, the plane of each, -1 where it is in none,
        - normal: (points, 3) and offset: (points,) float32, those of its plane, 0 where there is
          none,
        - point_types: (points,) int64, what its plane is of, -1 where there is none.
        """
        rows = rows_drawn(len(loaded.points), self.points, rng)
        plane = loaded.plane[rows]
        size = np.bincount(plane[plane >= 0], minlength=len(loaded.offset) + 1)
        plane = np.where(size[plane] >= LEAST, plane, -1)
        there = plane >= 0

        def of_plane(values: NDArray[Any], none: int) -> NDArray[Any]:
            if not len(values):
                return np.full((len(plane), *values.shape[1:]), none, values.dtype)
            kept = there.reshape(-1, *[1] * (values.ndim - 1))
            return np.where(kept, values[plane], none)

        item = {
            "points": loaded.points[rows].astype(np.float32),
            "instance": plane,
            "normal": of_plane(loaded.normal, 0).astype(np.float32),
            "offset": of_plane(loaded.offset, 0).astype(np.float32),
            "point_types": of_plane(loaded.types, -1),
        }
        if self.colors:
            assert loaded.colors is not None
            item["features"] = loaded.colors[rows].astype(np.float32) / 255
        return {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in item.items()}
