"""A virtual depth camera: what a single look at a shape sees of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, radians, tan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.geometry.mesh import Mesh, Shape, frame
from nvc3d.geometry.raster import rasterise
from nvc3d.geometry.splat import gap, splat

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Pixels across the gap between neighbours of a cloud.
_FINE = 6


@dataclass(frozen=True)
class DepthCamera:
    """A perspective depth camera that looks at the centre of a shape.

    Lengths are in radii of the shape, the ball that `normalise` makes the unit ball, so one camera
    suits shapes of any size. The defaults show the whole ball from every side.

    Args:
        resolution: width and height of the square image in pixels.
        fov: angle between opposite sides of the image, in degrees.
        distance: from the centre of the shape to the camera.
        noise: standard deviation of the measured depth.

    Raises:
        ValueError: a value out of range.
    """

    resolution: int = 100
    fov: float = 48.0
    distance: float = 2.6
    noise: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.resolution, bool) or not isinstance(self.resolution, int | np.integer):
            raise ValueError(f"resolution must be a whole number, got {self.resolution!r}")
        if not 1 <= self.resolution <= 4096:
            raise ValueError(f"resolution must be from 1 to 4096 pixels, got {self.resolution}")
        if not 1 <= self.fov <= 170:
            raise ValueError(f"fov must be from 1 to 170 degrees, got {self.fov}")
        if not 1.05 <= self.distance <= 1000:
            raise ValueError(f"distance must be from 1.05 to 1000 radii, got {self.distance}")
        if not (isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise must be 0 or more, got {self.noise}")

    def view(
        self, shape: Shape, direction: ArrayLike, rng: np.random.Generator | None = None
    ) -> NDArray[np.float32]:
        """The points of a shape that the camera sees, in the shape's own coordinates.

        Of a mesh, one point of the surface for each pixel whose ray meets it. Of a cloud, those of
        its own points that no others hide: each covers the gap to its neighbours.

        Args:
            shape: a mesh or a cloud, anywhere and of any size.
            direction: (3,), from the centre of the shape to the camera, of any length but 0.
            rng: where the noise comes from; needed if there is any.

        Returns:
            points (P, 3). P is 0 where no ray meets the shape, as when a flat one is seen from its
            edge.

        Raises:
            ValueError: a direction that is not three finite numbers or is 0, or noise without rng.
        """
        towards = _direction(direction)
        if self.noise > 0 and rng is None:
            raise ValueError("a camera with noise needs a random generator, got None")
        centre, radius = frame(shape)
        if isinstance(shape, Mesh):
            balled = (shape.vertices - centre) / radius  # (V, 3)
            face, weights = self._seen_triangles(shape, balled, towards)
            corners = shape.vertices[shape.faces[face]]  # (P, 3, 3)
            points = (corners * weights[..., None]).sum(1)  # (P, 3)
        else:
            seen = self._seen_points((shape.points - centre) / radius, towards)
            points = shape.points[seen].astype(np.float64)  # (P, 3)
        if self.noise > 0 and rng is not None:
            ray = (points - centre) / radius - self.distance * towards  # (P, 3)
            ray /= np.sqrt((ray * ray).sum(-1, keepdims=True))
            points += radius * self.noise * rng.standard_normal((len(points), 1)) * ray
        return points.astype(np.float32)

    @property
    def _wide(self) -> float:
        """Width of what the image shows, for each unit of depth."""
        # Rounded, because the last bit of a tangent differs between machines.
        return round(2 * tan(radians(self.fov) / 2), 12)

    def _project(self, points: Floats, towards: Floats, size: int) -> tuple[Floats, Floats]:
        """Pixel coordinates (V, 2) and depths (V,) of points (V, 3) of the unit ball."""
        # Written out, because a matrix product rounds differently from machine to machine.
        x, y, z = (
            points[:, 0] * axis[0] + points[:, 1] * axis[1] + points[:, 2] * axis[2]
            for axis in (*_axes(towards), towards)
        )  # (V,) each
        depth = self.distance - z
        # A vertex of no face can lie anywhere, even in the plane of the camera.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            pixel = np.stack([x, -y], -1) * (size / self._wide / depth)[:, None] + size / 2
        return pixel, depth

    def _seen_triangles(
        self, mesh: Mesh, points: Floats, towards: Floats
    ) -> tuple[Integers, Floats]:
        pixel, depth = self._project(points, towards, self.resolution)
        with np.errstate(divide="ignore"):
            screen = np.column_stack([pixel, 1 / depth])[mesh.faces]  # (F, 3, 3)
        return rasterise(screen, self.resolution)

    def _seen_points(self, points: Floats, towards: Floats) -> NDArray[np.bool_]:
        reach = gap(points)
        # Pixels as fine as the cloud is dense, whatever the resolution of the camera.
        wide = self._wide * self.distance
        size = int(np.clip(_FINE * wide / max(reach, 1e-9), _FINE, 512))
        pixel, depth = self._project(points, towards, size)
        return splat(pixel, depth, size, wide / size, reach)


def random_direction(rng: np.random.Generator) -> Floats:
    """A unit vector (3,), every direction as likely as any other.

    Marsaglia, "Choosing a Point from the Surface of a Sphere", 1972: unlike a sine or cosine,
    its one square root has the same last bit on every machine.
    """
    while True:
        x, y = 2 * rng.random(2) - 1
        square = x * x + y * y
        if square < 1:
            scale = 2 * np.sqrt(1 - square)
            return np.array([scale * x, scale * y, 1 - 2 * square])


def _direction(direction: ArrayLike) -> Floats:
    vector = np.asarray(direction)
    if vector.shape != (3,) or vector.dtype.kind not in "fiu":
        raise ValueError(f"direction must be three numbers, got {direction!r}")
    vector = vector.astype(np.float64)
    largest = np.abs(vector).max()
    if not 0 < largest < np.inf:
        raise ValueError(f"direction must be finite and not 0, got {vector.tolist()}")
    vector = vector / largest
    unit: Floats = vector / np.sqrt((vector * vector).sum())
    return unit


def _axes(towards: Floats) -> tuple[Floats, Floats]:
    """The directions right and up of an image, z up wherever the camera does not look along it."""
    pole = np.array([0.0, 0.0, 1.0] if abs(towards[2]) < 0.99 else [1.0, 0.0, 0.0])
    right = np.cross(pole, towards)
    right /= np.sqrt((right * right).sum())
    return right, np.cross(towards, right)
