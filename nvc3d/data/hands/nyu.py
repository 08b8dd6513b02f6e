"""NYU: hands before three Kinects, of which the first is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.hands.base import HandFrame
from nvc3d.data.hands.listed import Listed, ListedHands
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from, require_split
from nvc3d.files import PathLike, matlab
from nvc3d.files.depth import read_packed_depth
from nvc3d.geometry.intrinsics import CAMERAS, turned

SPLITS = ("train", "test")
FIRST_PERSON = 2440
"""So many frames of the test are of the person who trained; the others of a smaller hand."""
PEOPLE = ("person 1", "person 2")


class NYU(ListedHands):
    """The data set of Tompson, Stein, LeCun, Perlin, "Real-Time Continuous Pose Recovery of Human
    Hands Using Convolutional Networks", TOG 2014.

        <split>/joint_data.mat          joint_xyz (3, N, 36, 3): a camera, a frame, a joint
        <split>/depth_1_0000001.png     mm in two colours: 256 green + blue

    Files have y up; here it is down. All 36 joints are read; measured is by custom on 14 of them
    (`hand_joints.NYU_EVALUATED`).

    Args:
        root: the folder.
        split: "train" or "test".
        points, seed: see Hands.

    Raises:
        MissingExtra: scipy is not installed.
        FileNotFoundError: there is no joint_data.mat.
        ValueError: an unknown split, a joint_data.mat of another form, or no frame there.
    """

    def __init__(self, root: PathLike, split: str, points: int = 1024, seed: int = 0) -> None:
        require_split(split, SPLITS)
        path = Path(root) / split / "joint_data.mat"
        super().__init__(path, _frames(path, split), points, seed, split == "train")

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        depth = read_packed_depth(frame.path, "green", "blue") * np.float32(1000)
        cube = 250.0 if frame.category == PEOPLE[1] else 300.0
        return HandFrame(frame.joints, "nyu36", frame.camera, depth, cube=cube)


def _frames(path: Path, split: str) -> Iterator[Listed]:
    for number, joints in enumerate(turned(read_from(path, _joints), "y_up")):
        image = path.parent / f"depth_1_{number + 1:07d}.png"
        person = PEOPLE[split == "test" and number >= FIRST_PERSON]
        yield Listed(f"{split}/{number + 1:07d}", person, image, joints, CAMERAS["nyu"])


def _joints(path: Path) -> NDArray[np.float64]:
    joints = matlab.read(path, "joint_xyz")
    if joints.ndim != 4 or joints.shape[2:] != (36, 3) or joints.dtype.kind != "f":
        raise ValueError(f"expected joint_xyz (3, N, 36, 3), got {joints.dtype} {joints.shape}")
    return np.asarray(joints[0], np.float64)


def _open(root: Path, training: bool, wanted: Wanted) -> NYU:
    return NYU(root, "train" if training else "test", wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="NYU hands",
        gives="hands",
        told_by="`train/joint_data.mat` or `test/joint_data.mat`",
        holds=lambda path: any((path / split / "joint_data.mat").is_file() for split in SPLITS),
        open=_open,
        split="`train`, `test`",
        labels="21 joints among its 36",
    ),
)
