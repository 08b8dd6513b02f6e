"""Where a user says that the hand is: by its middle, a box around it, or a mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nvc3d.commands.posing.frames import Frame, ImageFrame
from nvc3d.extras import require
from nvc3d.files import reading
from nvc3d.geometry.hand_finding import CUBE, FoundHand

AROUND = 5
"""How many pixels around a place in the image are looked at for its depth."""


@dataclass(frozen=True)
class Place:
    """Where the hand is, by one of these at most; none: it is to be found.

    Args:
        centre: u, v in pixels, or x, y, z in mm before the camera.
        box: left, top, right, bottom in pixels, the last two exclusive.
        mask: an image that is not 0 where the hand is.
    """

    centre: tuple[float, ...] | None = None
    box: tuple[float, ...] | None = None
    mask: Path | None = None

    def hands(self, frame: Frame, most: int) -> list[FoundHand]:
        """The hand that is there, or the nearest where no place is said.

        Raises ValueError where there is none, and on pixels of what is no image.
        """
        if self.centre is not None and len(self.centre) == 3:
            return [frame.hand_at(np.array(self.centre))]
        if self.centre is None and self.box is None and self.mask is None:
            return frame.hands(most)
        if not isinstance(frame, ImageFrame):
            raise ValueError("a cloud has no pixels: give --centre x,y,z in mm")
        if self.centre is not None:
            return [frame.hand_at(_lifted(frame, *self.centre))]
        if self.mask is not None:
            return [_masked(frame, self.mask)]
        assert self.box is not None
        return [_in_box(frame, self.box)]


def _lifted(frame: ImageFrame, u: float, v: float) -> np.ndarray:
    """The place before the camera that is seen around a pixel."""
    width, height = frame.camera.width, frame.camera.height
    if not (0 <= u < width and 0 <= v < height):
        raise ValueError(
            f"--centre {u:g},{v:g} lies outside of the image, {width} x {height} pixels"
        )
    rows = slice(max(round(v) - AROUND, 0), round(v) + AROUND + 1)
    columns = slice(max(round(u) - AROUND, 0), round(u) + AROUND + 1)
    seen = frame.depth[rows, columns]
    if not seen.any():
        raise ValueError(f"the depth image shows nothing around --centre {u:g},{v:g}")
    z = 1000 * float(np.median(seen[seen > 0]))
    return frame.camera.lifted(u, v, z)


def _in_box(frame: ImageFrame, box: tuple[float, ...]) -> FoundHand:
    """The hand in a box; where none is found, what is seen there from the nearest on."""
    width, height = frame.camera.width, frame.camera.height
    left, top, right, bottom = (round(value) for value in box)
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(
            f"--bbox {left},{top},{right},{bottom} is no box left,top,right,bottom in an image of "
            f"{width} x {height} pixels"
        )
    part = frame.part((left, top, right, bottom))
    if not part.depth.any():
        raise ValueError(f"the depth image shows nothing in --bbox {left},{top},{right},{bottom}")
    try:
        return part.hands(1)[0]
    except ValueError:
        points = part.points
        near = points[points[:, 2] <= np.percentile(points[:, 2], 5) + CUBE / 2]
        return FoundHand(_middle(near), near)


def _masked(frame: ImageFrame, path: Path) -> FoundHand:
    pillow = require("PIL.Image", "to read masks")
    with reading(path), pillow.open(path) as image:
        mask = np.asarray(image)
    mask = np.asarray(mask.any(-1) if mask.ndim == 3 else mask != 0)
    if mask.shape != frame.depth.shape:
        raise ValueError(f"{path}: expected a mask of {frame.depth.shape}, got {mask.shape}")
    inside = ImageFrame(np.where(mask, frame.depth, np.float32(0)), frame.camera)
    if not inside.depth.any():
        raise ValueError(f"{path}: the depth image shows nothing where the mask is")
    points = inside.points
    return FoundHand(_middle(points), points)


def _middle(points: np.ndarray) -> np.ndarray:
    return (points.min(0) + points.max(0)).astype(np.float64) / 2
