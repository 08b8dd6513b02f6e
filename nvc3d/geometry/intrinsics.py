"""Real cameras: from depth images to points in metres, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.geometry.mesh import Cloud

Axes = Literal["opencv", "opengl", "y_up"]
# What turns points of each into those of "opencv".
_TO_OPENCV = {"opencv": (1, 1, 1), "opengl": (1, -1, -1), "y_up": (1, -1, 1)}


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera, in pixels of its own image, which need not be square.

    A point (x, y, z), x to the right, **y down**, z forward, is seen at the pixel
    (fx * x / z + cx, fy * y / z + cy); the middle of the first pixel is (0, 0).

    Args:
        fx, fy: focal lengths.
        cx, cy: where the axis meets the image.
        width, height: of the image.

    Raises ValueError on values that are not finite, focal lengths and sizes that are not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        for name in ("fx", "fy", "width", "height"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive, got {value!r}")
        for name in ("cx", "cy"):
            if not np.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)!r}")
        for name in ("width", "height"):
            if getattr(self, name) != int(getattr(self, name)):
                raise ValueError(f"{name} must be a whole number, got {getattr(self, name)!r}")

    def scaled(self, width: int, height: int) -> Intrinsics:
        """The same camera with an image of another size."""
        x, y = width / self.width, height / self.height
        # Pixels have their middles at whole numbers.
        cx, cy = (self.cx + 0.5) * x - 0.5, (self.cy + 0.5) * y - 0.5
        return Intrinsics(self.fx * x, self.fy * y, cx, cy, width, height)

    def part(self, left: int, top: int, right: int, bottom: int) -> Intrinsics:
        """The same camera with a part of its image: those columns and rows, the last exclusive.

        Raises ValueError where there are none.
        """
        width, height = right - left, bottom - top
        return Intrinsics(self.fx, self.fy, self.cx - left, self.cy - top, width, height)

    def checked(self, depth: ArrayLike) -> NDArray[np.floating]:
        """A depth image in metres with 0 where it saw nothing, not finite or negative.

        Raises ValueError on an image of another size than the camera's, and on one that saw
        nothing.
        """
        z = np.asarray(depth)
        z = z if z.dtype.kind == "f" else z.astype(np.float64)
        if z.shape != (self.height, self.width):
            raise ValueError(
                f"depth must be ({self.height}, {self.width}) for this camera, got {z.shape}; "
                "camera.scaled(width, height) is the same camera with an image of another size"
            )
        z = np.where((z > 0) & (z < np.inf), z, 0)
        if not z.any():
            raise ValueError("the depth image is empty: no pixel saw anything")
        return z

    def points(self, depth: ArrayLike) -> Cloud:
        """The points that a depth image shows.

        Args:
            depth: (height, width) z of each pixel in metres; 0, negative, NaN and inf where it saw
                nothing.

        Returns:
            The cloud of the pixels that saw something, row by row, in metres (`unit` 1), with the
            column `pixel` (N, 2): the u and v of each.

        Raises ValueError as `checked` does.
        """
        z = self.checked(depth)
        v, u = np.nonzero(z)
        seen = z[v, u].astype(np.float64)
        pixels = {"pixel": np.stack([u, v], 1)}
        return Cloud(self.lifted(u, v, seen), pixels, unit=1.0)

    def lifted(self, u: ArrayLike, v: ArrayLike, z: ArrayLike) -> NDArray[np.float64]:
        """Where something is that is seen at u, v (...) in pixels, at a depth z (...): points
        (..., 3) in the unit of the depth. The inverse of `project`."""
        across, down, depth = (np.asarray(value, np.float64) for value in (u, v, z))
        x, y = (across - self.cx) / self.fx * depth, (down - self.cy) / self.fy * depth
        return np.stack([x, y, depth], -1)

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Where points (N, 3) before the camera are seen: u, v in pixels and depth, (N, 3).

        Raises ValueError on points behind it.
        """
        x, y, z = np.asarray(points, np.float64).T
        if not (z > 0).all():
            raise ValueError(
                f"{int((~(z > 0)).sum())} of {len(z)} points are not before the camera"
            )
        return np.stack([self.fx * x / z + self.cx, self.fy * y / z + self.cy, z], 1)

    def box(self, centre: ArrayLike, side: float) -> tuple[int, int, int, int]:
        """The columns and rows (left, top, right, bottom) of the image, the last two exclusive, in
        which a square around a point (3,), which faces the camera, is seen."""
        x, y, z = np.asarray(centre, np.float64)
        u, v = self.fx * x / z + self.cx, self.fy * y / z + self.cy
        across, down = self.fx * side / 2 / z, self.fy * side / 2 / z
        left, right = np.clip(np.rint((u - across, u + across + 1)), 0, self.width).astype(int)
        top, bottom = np.clip(np.rint((v - down, v + down + 1)), 0, self.height).astype(int)
        return int(left), int(top), int(right), int(bottom)

    def depth(self, points: ArrayLike) -> NDArray[np.float64]:
        """The depth image (height, width) of points (N, 3): of each pixel the nearest of those seen
        in it, 0 where there is none. Points outside the image are left out."""
        u, v, z = self.project(points).T
        column, row = np.rint(u).astype(np.int64), np.rint(v).astype(np.int64)
        inside = (column >= 0) & (column < self.width) & (row >= 0) & (row < self.height)
        image = np.full((self.height, self.width), np.inf)
        np.minimum.at(image, (row[inside], column[inside]), z[inside])
        return np.where(np.isfinite(image), image, 0)


# As their makers or data sets give them; the one on the table may differ by a few percent.
CAMERAS = {
    "kinect2": Intrinsics(365.456, 365.456, 254.878, 205.395, 512, 424),
    "sr300": Intrinsics(475.066, 475.066, 315.945, 245.287, 640, 480),
    "d435": Intrinsics(382.6, 382.6, 320.0, 240.0, 640, 480),
    "azure": Intrinsics(504.1, 504.2, 320.0, 330.0, 640, 576),
    "structure": Intrinsics(577.87, 577.87, 319.5, 239.5, 640, 480),
    "msra": Intrinsics(241.42, 241.42, 160.0, 120.0, 320, 240),
    "icvl": Intrinsics(240.99, 240.96, 160.0, 120.0, 320, 240),
    "nyu": Intrinsics(588.03, 587.07, 320.0, 240.0, 640, 480),
    "hands2017": Intrinsics(475.065948, 475.065857, 315.944855, 245.287079, 640, 480),
}


def turned(points: ArrayLike, axes: Axes, to: Axes = "opencv") -> NDArray[np.float64]:
    """Points (..., 3) of a camera in other axes.

    "opencv": y down, z forward, ours; "opengl": y up, z backward; "y_up": y up, z forward, as NYU's
    hands have it. x is to the right in all.
    """
    for name in (axes, to):
        if name not in _TO_OPENCV:
            raise ValueError(f"axes must be one of {', '.join(get_args(Axes))}, got {name!r}")
    sign = np.array(_TO_OPENCV[axes]) * np.array(_TO_OPENCV[to])
    result: NDArray[np.float64] = np.asarray(points, np.float64) * sign
    return result
