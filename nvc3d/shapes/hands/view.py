"""What a depth camera sees of meshes before it.

`geometry.raster` finds which triangle each pixel shows, of meshes with holes, too. The depth alone
of closed ones takes a fifth of its time, and the frames of all seeds rest on these very bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.intrinsics import Intrinsics

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Solid = tuple[Floats, Integers]
"""Vertices (V, 3) in mm before the camera, and faces (F, 3), counter-clockwise from outside."""

_NEAR = 50.0  # mm before which a camera sees nothing
_OVERLAP = 1e-9  # in pixels: neighbouring triangles leave no crack between them


def depth_image(solids: Sequence[Solid], camera: Intrinsics) -> NDArray[np.float32]:
    """The depth (height, width) in mm of closed meshes, 0 where there is none.

    Triangles that reach nearer than 50 mm are left out.
    """
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in solids[:-1])])
    vertices = np.concatenate([vertices for vertices, _ in solids])
    faces = np.concatenate([own + start for (_, own), start in zip(solids, starts, strict=True)]).T
    near = vertices[:, 2] < _NEAR
    if near.any():
        faces = faces[:, ~near[faces].any(0)]
    z = np.maximum(vertices[:, 2], _NEAR)
    u = camera.fx * vertices[:, 0] / z + camera.cx
    v = camera.fy * vertices[:, 1] / z + camera.cy
    nearness = _nearness(u[faces], v[faces], 1 / z[faces], camera.width, camera.height)
    depth = np.zeros(len(nearness), np.float32)
    seen = nearness > 0
    depth[seen] = np.round(1 / nearness[seen], 3)
    return depth.reshape(camera.height, camera.width)


def _nearness(u: Floats, v: Floats, inverse: Floats, width: int, height: int) -> Floats:
    """The greatest inverse depth (height * width,) of small triangles at each pixel's middle, 0
    where there is none.

    Args:
        u, v, inverse: (3, F) of their corners: column, row, and the inverse of the depth, which is
            what runs linearly across an image.
        width, height: of the image.
    """
    area = (u[1] - u[0]) * (v[2] - v[0]) - (u[2] - u[0]) * (v[1] - v[0])
    # y is down: what is counter-clockwise from outside is clockwise in the image. The other side
    # of a closed mesh is never seen.
    u, v, inverse, area = (x[..., np.flatnonzero(area < 0)] for x in (u, v, inverse, area))
    top = np.ceil(_each(np.minimum, v) - _OVERLAP).clip(0, None).astype(np.int64)
    bottom = np.floor(_each(np.maximum, v) + _OVERLAP).clip(None, height - 1).astype(np.int64)
    face, down = _counted(np.maximum(bottom - top + 1, 0))
    row = top[face] + down  # (R,), of each row of each triangle
    left, right = np.full(len(row), -_OVERLAP), np.full(len(row), width - 1 + _OVERLAP)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        rise = v[b] - v[a]
        slope = (u[b] - u[a]) / np.where(rise == 0, 1, rise)
        meets = (u[a] - slope * v[a])[face] + slope[face] * row
        left = np.where((rise > 0)[face], np.maximum(left, meets - _OVERLAP), left)
        right = np.where((rise < 0)[face], np.minimum(right, meets + _OVERLAP), right)
    start = np.ceil(left).astype(np.int64)
    span, along = _counted(np.maximum(np.floor(right).astype(np.int64) - start + 1, 0))
    second, third = inverse[1] - inverse[0], inverse[2] - inverse[0]
    across = (second * (v[2] - v[0]) - third * (v[1] - v[0])) / area
    downward = (third * (u[1] - u[0]) - second * (u[2] - u[0])) / area
    first = (inverse[0] - across * u[0] - downward * v[0])[face] + downward[face] * row
    first += across[face] * start
    nearness = np.zeros(width * height)
    pixel = (row * width + start)[span] + along
    # Cut, because a triangle seen from its edge would reach far beyond its corners.
    value = np.minimum(
        first[span] + across[face][span] * along, _each(np.maximum, inverse)[face][span]
    )
    np.maximum.at(nearness, pixel, value)
    return nearness


def _each(choose: np.ufunc, corners: Floats) -> Floats:
    """The least or greatest of three corners (3, F), of each triangle (F,): several times as fast
    as along an axis of three."""
    return np.asarray(choose(choose(corners[0], corners[1]), corners[2]))


def _counted(counts: Integers) -> tuple[Integers, Integers]:
    """Of so many things each: whose each is (N,), and which of them it is, from 0 on, (N,)."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
