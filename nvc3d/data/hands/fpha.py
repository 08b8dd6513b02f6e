"""FPHA: hands that do things, seen from the shoulder of who does them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.hands.base import HandFrame, last_left_out
from nvc3d.data.hands.listed import Listed, ListedHands
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from
from nvc3d.files import PathLike, read_depth
from nvc3d.geometry.intrinsics import CAMERAS

JOINTS, VIDEOS = "Hand_pose_annotation_v1", "Video_files"


class FPHA(ListedHands):
    """The data set of Garcia-Hernando, Yuan, Baek, Kim, "First-Person Hand Action Benchmark with
    RGB-D Videos and 3D Hand Pose Annotations", CVPR 2018.

        Hand_pose_annotation_v1/Subject_1/<action>/<number>/skeleton.txt
                                        a frame and 21 joints x y z a line
        Video_files/Subject_1/<action>/<number>/depth/depth_0000.png
                                        PNG of 16 bits, mm

    All are right hands, with sensors on them.

    Args:
        root: the folder.
        people: those wanted, "Subject_1".
        training: whether what is drawn is new in each epoch.
        points, seed: see Hands.

    Raises:
        ValueError: a skeleton.txt of another form, or no frame there.
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
        super().__init__(Path(root) / JOINTS, frames, points, seed, training)

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        depth = read_depth(frame.path) * np.float32(1000)
        return HandFrame(frame.joints, "fpha", frame.camera, depth, "right")


def _frames(root: Path, person: str) -> Iterator[Listed]:
    for path in sorted((root / JOINTS / person).glob("*/*/skeleton.txt")):
        sequence = path.parent.relative_to(root / JOINTS)
        for number, joints in read_from(path, _rows):
            image = root / VIDEOS / sequence / "depth" / f"depth_{number:04d}.png"
            name = f"{sequence.as_posix()}/{number:04d}"
            yield Listed(name, person, image, joints, CAMERAS["hands2017"])


def _rows(path: Path) -> list[tuple[int, NDArray[np.float64]]]:
    rows = []
    for line, text in enumerate(path.read_text().splitlines(), 1):
        values = np.array(text.split(), np.float64)
        if len(values) != 64:
            raise ValueError(f"line {line}: expected a frame and 63 numbers, got {len(values)}")
        rows.append((int(values[0]), values[1:].reshape(21, 3)))
    return rows


def _people(root: Path) -> list[str]:
    return sorted(path.name for path in (root / JOINTS).glob("Subject_*"))


def _open(root: Path, training: bool, wanted: Wanted) -> FPHA:
    people = last_left_out(root, _people(root), training, wanted)
    return FPHA(root, people, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="FPHA",
        gives="hands",
        told_by="`Hand_pose_annotation_v1/Subject_*`",
        holds=lambda path: bool(_people(path)),
        open=_open,
        split="the other people, the last one",
        labels="21 joints",
    ),
)
