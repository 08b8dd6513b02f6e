"""Hands in a depth image, drawn quickly: a frame of a stream has no time for figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.atomic import atomic_write
from nvc3d.extras import require
from nvc3d.geometry.hand_joints import FINGERS
from nvc3d.geometry.intrinsics import Intrinsics
from nvc3d.viz.figure import COLOURS

WIDE = 640
"""How wide a picture is at least, in pixels."""
GREYS = 240
"""The first so many colours of a picture are shades of grey; those of fingers and white follow."""
INKS = (*COLOURS[: len(FINGERS)], "#ffffff")
WHITE = GREYS + len(FINGERS)
FARTHEST = 65535


class HandInImage(NamedTuple):
    """A hand to draw; lengths in mm before the camera."""

    title: str
    joints: ArrayLike
    """(21, 3), NaN where they are not known"""
    centre: ArrayLike
    """(3,), of the cube that was looked at"""
    cube: float


def draw_hand_in_image(
    path: str | os.PathLike[str],
    depth: ArrayLike,
    camera: Intrinsics,
    hands: Sequence[HandInImage],
) -> Path:
    """Draw a depth image (height, width) in mm, the nearer the brighter, the cubes that hands were
    looked for in, and their skeletons, fingers in colours, as a PNG.

    Raises MissingExtra without Pillow, and OSError where the file cannot be written.
    """
    pillow = require("PIL.Image", "to draw pictures")
    shades = _shades(np.asarray(depth, np.float32))
    scale = -(-WIDE // camera.width)
    shades = shades.repeat(scale, 0).repeat(scale, 1)
    # A byte a pixel: the file is packed in a third of the time.
    image = pillow.fromarray(shades)
    image.putpalette(_palette())
    pen = require("PIL.ImageDraw", "to draw pictures").Draw(image)
    large = camera.scaled(shades.shape[1], shades.shape[0])
    for hand in hands:
        _draw_cube(pen, large, np.asarray(hand.centre, np.float64), hand.cube, hand.title)
        _draw_skeleton(pen, large, np.asarray(hand.joints, np.float64))
    path = Path(path)
    with atomic_write(path) as file:
        image.save(file, "PNG", compress_level=1)
    return path


def _palette() -> bytes:
    greys = bytes(shade for shade in range(GREYS) for _ in range(3))
    return greys + b"".join(bytes.fromhex(ink[1:]) for ink in INKS)


def _shades(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    steps = np.clip(depth, 0, FARTHEST).astype(np.uint16)
    some = steps[::4, ::4]
    some = some[some > 0] if some.any() else steps[steps > 0]
    if len(some) == 0:
        return np.zeros(depth.shape, np.uint8)
    near, far = np.percentile(some, (1, 90))
    share = np.clip((np.arange(FARTHEST + 1) - near) / max(float(far - near), 1.0), 0, 1)
    shades = (215 - 150 * share).astype(np.uint8)
    shades[0] = 0
    return shades[steps]


def _draw_cube(
    pen: Any, camera: Intrinsics, centre: NDArray[np.float64], side: float, title: str
) -> None:
    """The square in the middle of the cube that faces the camera."""
    corners = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0), (-1, -1, 0)]) * side / 2
    places = camera.project(centre + corners)[:, :2].tolist()
    pen.line([tuple(place) for place in places], fill=WHITE)
    pen.text((places[0][0] + 4, places[0][1] + 3), title, fill=WHITE)


def _draw_skeleton(pen: Any, camera: Intrinsics, joints: NDArray[np.float64]) -> None:
    known = np.isfinite(joints).all(1) & (np.nan_to_num(joints[:, 2]) > 0)
    places = np.full((len(joints), 2), np.nan)
    places[known] = camera.project(joints[known])[:, :2]
    for ink, chain in enumerate(FINGERS.values(), GREYS):
        for a, b in pairwise((0, *chain)):
            if known[a] and known[b]:
                pen.line([tuple(places[a].tolist()), tuple(places[b].tolist())], ink, width=3)
        for joint in chain:
            if known[joint]:
                u, v = places[joint].tolist()
                pen.ellipse([u - 3, v - 3, u + 3, v + 3], ink)
