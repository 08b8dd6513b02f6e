"""MSRA15: nine people, seventeen gestures each, in depth images cut out around the hand."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.hands.base import HandFrame, last_left_out
from nvc3d.data.hands.listed import Listed, ListedHands
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from
from nvc3d.files import PathLike
from nvc3d.geometry.intrinsics import CAMERAS, turned

CUBES = {
    **dict.fromkeys(("P0", "P1", "P2"), 200.0),
    **dict.fromkeys(("P3", "P4", "P5"), 180.0),
    **{"P6": 170.0, "P7": 160.0, "P8": 150.0},
}
FAULTY = {
    "P2/TIP": {172, 173, 174},
    "P2/MP": {173, 174, 175, *range(345, 355), 356, 359, 360},
    "P3/T": {120, 489},
    "P8/4": {168},
}
"""Frames whose joints or depth are wrong."""
HEADER = 6 * 4


class MSRA(ListedHands):
    """The data set of Sun, Wei, Liang, Tang, Sun, "Cascaded Hand Pose Regression", CVPR 2015.

        P0/1/joint.txt           the number of frames, then 21 joints x y z a line
        P0/1/000000_depth.bin    6 int32: width, height, left, top, right, bottom; float32 mm
        P8/Y/...

    All are right hands. Files have y up and z backward; here y is down and z forward. Faulty frames
    (`FAULTY`) are left out.

    Args:
        root: the folder.
        people: those wanted, "P0".
        training: whether what is drawn is new in each epoch.
        points, seed: see Hands.

    Raises:
        ValueError: a joint.txt of another form, or no frame there.
    """

    def __init__(
        self,
        root: PathLike,
        people: Sequence[str],
        training: bool,
        points: int = 1024,
        seed: int = 0,
    ) -> None:
        frames = (frame for person in people for frame in _frames(Path(root), person))
        super().__init__(Path(root), frames, points, seed, training)

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        depth, cube = read_from(frame.path, _depth), CUBES.get(frame.category, 200.0)
        return HandFrame(frame.joints, "msra", frame.camera, depth, "right", cube)


def _frames(root: Path, person: str) -> Iterator[Listed]:
    for path in sorted((root / person).glob("*/joint.txt")):
        gesture = f"{person}/{path.parent.name}"
        joints = turned(read_from(path, _joints), "opengl")
        for number, told in enumerate(joints):
            if number not in FAULTY.get(gesture, ()):
                image = path.parent / f"{number:06d}_depth.bin"
                yield Listed(f"{gesture}/{number:06d}", person, image, told, CAMERAS["msra"])
        beside = sum(1 for _ in path.parent.glob("*_depth.bin"))
        if beside > len(joints):
            warnings.warn(
                f"{path} tells the joints of {len(joints)} frames, and {beside} lie beside it: "
                "the others are left out",
                stacklevel=2,
            )


def _joints(path: Path) -> NDArray[np.float64]:
    count, *values = path.read_text().split()
    if len(values) != int(count) * 63:
        raise ValueError(
            f"it says {count} frames, which are {int(count) * 63} numbers, and holds {len(values)}"
        )
    return np.array(values, np.float64).reshape(-1, 21, 3)


def _depth(path: Path) -> NDArray[np.float32]:
    """The whole image, 0 outside of what is stored."""
    data, camera = path.read_bytes(), CAMERAS["msra"]
    if len(data) < HEADER:
        raise ValueError(f"expected a header of {HEADER} bytes, got {len(data)} bytes")
    width, height, left, top, right, bottom = np.frombuffer(data, "<i4", 6).tolist()
    fits = 0 <= left < right <= width and 0 <= top < bottom <= height
    if (width, height) != (camera.width, camera.height) or not fits:
        raise ValueError(
            f"expected a part of {camera.width} x {camera.height} pixels, got columns {left} to "
            f"{right} and rows {top} to {bottom} of {width} x {height}"
        )
    size = HEADER + 4 * (right - left) * (bottom - top)
    if len(data) != size:
        raise ValueError(f"expected {size} bytes, got {len(data)}")
    depth = np.zeros((height, width), np.float32)
    part = np.frombuffer(data, "<f4", offset=HEADER)
    depth[top:bottom, left:right] = part.reshape(bottom - top, right - left)
    return depth


def _people(root: Path) -> list[str]:
    found = {path.parent.parent.name for path in root.glob("P*/*/joint.txt")}
    return sorted(name for name in found if re.fullmatch(r"P\d", name))


def _open(root: Path, training: bool, wanted: Wanted) -> MSRA:
    people = last_left_out(root, _people(root), training, wanted)
    return MSRA(root, people, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="MSRA15",
        gives="hands",
        told_by="`P0/*/joint.txt`",
        holds=lambda path: bool(_people(path)),
        open=_open,
        split="the other people, the last one",
        labels="21 joints",
    ),
)
