"""Depth images whose pixels are numbered by their planes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.data.planes.base import PlaneFrame
from nvc3d.geometry.intrinsics import Intrinsics
from nvc3d.geometry.plane_forms import from_times_offset

_NEAR = 1e-4
"""Metres from the camera within which a vector n·d tells no plane."""
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""From the axes of a camera, y down and z forward, to x right, y forward, z up."""


def frame_of_image(
    depth: ArrayLike,
    camera: Intrinsics,
    numbers: NDArray[np.integer],
    vectors: NDArray[np.floating],
    image: NDArray[np.uint8] | None = None,
) -> PlaneFrame:
    """The frame of a depth image in metres: its points through the camera, those of the pixels that
    saw something.

    Args:
        depth: (height, width).
        camera: of that image.
        numbers: (height, width), the plane of each pixel, -1 for none.
        vectors: (P, 3) n·d of the planes, x right, y forward, z up; those nearly 0 are none.
        image: (height, width, 3), red, green, blue.

    Raises ValueError on an empty image and shapes that do not fit together, numbers out of range,
    and planes that are not finite.
    """
    cloud = camera.points(depth)
    u, v = cloud.columns["pixel"].T
    for name, own in (("numbers of planes", numbers), ("colours", image)):
        if own is not None and own.shape[:2] != (camera.height, camera.width):
            raise ValueError(
                f"the {name} must be of the {camera.height} x {camera.width} pixels of the depth, "
                f"got {own.shape}"
            )
    plane = numbers[v, u].astype(np.int64)
    vectors = np.asarray(vectors, np.float64)
    if not np.isfinite(vectors).all():
        raise ValueError("planes must be finite, got NaN or inf")
    if plane.min() < -1 or plane.max() >= len(vectors):
        raise ValueError(
            f"the numbers of planes must be from -1 to {len(vectors) - 1}, "
            f"got {plane.min()} to {plane.max()}"
        )
    kept = np.sqrt((vectors * vectors).sum(1)) > _NEAR
    number = np.append(np.where(kept, kept.cumsum() - 1, -1), -1)
    normal, offset = from_times_offset(vectors[kept])
    return PlaneFrame(
        points=np.asarray(cloud.points, np.float64) @ UPRIGHT.T,
        plane=number[plane],
        normal=normal,
        offset=offset,
        types=np.zeros(len(offset), np.int64),
        colors=None if image is None else image[v, u],
        depth=np.asarray(depth),
        camera=camera,
    )


def stored_camera(info: NDArray[np.floating], width: int, height: int) -> Intrinsics:
    """The camera that PlaneNet's files store as `info` (20,): a matrix (4, 4) in pixels of another
    image, whose width and height come next; for an image of this size.

    Raises ValueError where it is no camera.
    """
    values = np.asarray(info, np.float64).ravel()
    if len(values) != 20 or not np.isfinite(values).all() or not (values[[0, 5, 16, 17]] > 0).all():
        raise ValueError(
            "info must tell the camera, a matrix (4, 4), then width and height, with focal lengths "
            f"above 0, got {len(values)} numbers: {np.round(values[:18], 3).tolist()}"
        )
    # Those who wrote them count pixels from their corners: the first of each image at 0.
    x, y = width / values[16], height / values[17]
    return Intrinsics(values[0] * x, values[5] * y, values[2] * x, values[6] * y, width, height)
