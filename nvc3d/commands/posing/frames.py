"""What a depth camera saw, by an image or a cloud, and the hands in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.commands.cameras import UNITS, Images
from nvc3d.files import read_shape
from nvc3d.geometry import Cloud, Intrinsics
from nvc3d.geometry.hand_finding import CUBE, FoundHand, find_hands, find_hands_in_points

Floats = NDArray[np.float64]
WINDOW, MOST = 300.0, 4
"""The side of the cube in which a hand is looked for whose place is known, in mm, and how many that
are found there are looked at."""
BESIDE = 100.0
"""How far from there it may be found, in mm."""
DRAWN = 640
"""How wide the picture of a cloud is, in pixels."""


class Frame(ABC):
    """What was seen, in millimetres before the camera."""

    @abstractmethod
    def hands(self, most: int) -> list[FoundHand]:
        """The nearest hands. Raises ValueError where none is found."""

    @abstractmethod
    def within(self, centre: Floats, side: float) -> Frame:
        """What lies in a cube, or a little beside it. Raises ValueError where nothing does."""

    @abstractmethod
    def scaled(self, factor: float) -> Frame:
        """The same, so many times as large and as far away."""

    @property
    @abstractmethod
    def points(self) -> NDArray[np.float32]:
        """All points (N, 3)."""

    @abstractmethod
    def image(self) -> tuple[NDArray[np.float32], Intrinsics]:
        """A depth image in mm and its camera, to draw on."""

    def hand_at(self, centre: Floats) -> FoundHand:
        """The hand about there: found without its arm, or else all that lies in the cube around.

        Raises ValueError where nothing does.
        """
        found = self.hand_near(centre)
        if found is not None:
            return found
        points = self.within(centre, CUBE).points
        return FoundHand(centre, points[np.abs(points - centre).max(1) <= CUBE / 2])

    def hand_near(self, centre: Floats) -> FoundHand | None:
        """The hand that is found near there, if there is one."""
        try:
            hands = self.within(centre, WINDOW).hands(MOST)
        except ValueError:
            return None
        found = min(hands, key=lambda hand: float(np.linalg.norm(hand.centre - centre)))
        return found if np.linalg.norm(found.centre - centre) <= BESIDE else None


@dataclass(frozen=True, eq=False)
class ImageFrame(Frame):
    """A depth image (height, width) in metres."""

    depth: NDArray[np.float32]
    camera: Intrinsics

    def hands(self, most: int) -> list[FoundHand]:
        return find_hands(self.depth, self.camera, most)

    def within(self, centre: Floats, side: float) -> ImageFrame:
        part = self.part(self.camera.box(centre, side))
        near = np.abs(part.depth - np.float32(centre[2] / 1000)) <= side / 2000
        if not near.any():
            raise ValueError(f"nothing was seen within {side / 2:g} mm of {_place(centre)}")
        return ImageFrame(np.where(near, part.depth, np.float32(0)), part.camera)

    def scaled(self, factor: float) -> ImageFrame:
        return ImageFrame(self.depth * np.float32(factor), self.camera)

    def part(self, box: tuple[int, int, int, int]) -> ImageFrame:
        """A part of the image: columns and rows (left, top, right, bottom)."""
        left, top, right, bottom = box
        return ImageFrame(self.depth[top:bottom, left:right], self.camera.part(*box))

    @property
    def points(self) -> NDArray[np.float32]:
        return (1000 * self.camera.points(self.depth).points).astype(np.float32)

    def image(self) -> tuple[NDArray[np.float32], Intrinsics]:
        return self.depth * np.float32(1000), self.camera


@dataclass(frozen=True, eq=False)
class CloudFrame(Frame):
    """Points (N, 3) in mm."""

    cloud: NDArray[np.float32]

    def hands(self, most: int) -> list[FoundHand]:
        return find_hands_in_points(self.cloud, most)

    def within(self, centre: Floats, side: float) -> CloudFrame:
        near = np.abs(self.cloud - centre).max(1) <= side / 2
        if not near.any():
            raise ValueError(f"nothing was seen within {side / 2:g} mm of {_place(centre)}")
        return CloudFrame(self.cloud[near])

    def scaled(self, factor: float) -> CloudFrame:
        return CloudFrame(self.cloud * np.float32(factor))

    @property
    def points(self) -> NDArray[np.float32]:
        return self.cloud

    def image(self) -> tuple[NDArray[np.float32], Intrinsics]:
        tangents = self.cloud[:, :2] / self.cloud[:, 2:]
        low, extent = tangents.min(0), np.ptp(tangents, 0)
        # As coarse as the points are, so that they show a surface.
        width = int(np.clip(np.sqrt(len(tangents)), 64, DRAWN))
        focal = (width - 1) / max(float(extent.max()), 1e-6)
        columns, rows = (int(focal * reach) + 1 for reach in extent)
        camera = Intrinsics(focal, focal, -focal * low[0], -focal * low[1], columns, rows)
        return camera.depth(self.cloud).astype(np.float32), camera


def _place(centre: Floats) -> str:
    return "({:.0f}, {:.0f}, {:.0f}) mm".format(*centre)


def reader(images: Images) -> Callable[[Path], Frame]:
    """What reads depth images of one camera, and clouds."""

    def read(path: Path) -> Frame:
        if path.suffix.lower() != ".png":
            return _cloud(path, images.unit)
        return ImageFrame(*images.read(path))

    return read


def _cloud(path: Path, unit: float | None) -> CloudFrame:
    shape = read_shape(path, missing="drop")
    if not isinstance(shape, Cloud):
        raise ValueError(f"{path}: expected a cloud or a depth image, got a mesh")
    metres = unit or shape.unit or UNITS["m"]
    points = np.asarray(shape.points, np.float64) * metres * 1000
    usual = float(np.median(points[:, 2]))
    if usual > 20000:
        raise ValueError(
            f"{path}: most of it lies {usual / 1000:.0f} m before the camera: the cloud may be in "
            "millimetres; give --unit mm"
        )
    return CloudFrame(points.astype(np.float32))
