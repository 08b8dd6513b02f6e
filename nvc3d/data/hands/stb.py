"""STB: a hand before a stereo and a depth camera, of which the latter is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nvc3d.data.hands.base import HandFrame
from nvc3d.data.hands.listed import Listed, ListedHands
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from
from nvc3d.files import PathLike, matlab
from nvc3d.files.depth import read_packed_depth
from nvc3d.geometry.intrinsics import Intrinsics

CAMERA = Intrinsics(475.62768, 474.77709, 336.41179, 238.77962, 640, 480)


class STB(ListedHands):
    """The data set of Zhang, Jiao, Chen, Qu, Xu, Yang, "3D Hand Pose Tracking and Estimation Using
    Stereo Matching", 2016: what its depth camera saw.

        labels/B1Counting_SK.mat            handPara (3, 21, 1500), mm before the depth camera
        images/B1Counting/SK_depth_0.png    mm, red + 256 green; or without images/

    All are left hands.

    Args:
        root: the folder.
        training: the sequences of B2 to B6; else those of B1.
        points, seed: see Hands.

    Raises:
        MissingExtra: scipy is not installed.
        ValueError: labels of another form, or no frame there.
    """

    def __init__(self, root: PathLike, training: bool, points: int = 1024, seed: int = 0) -> None:
        super().__init__(
            Path(root) / "labels", _frames(Path(root), training), points, seed, training
        )

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        depth = read_packed_depth(frame.path, "green", "red") * np.float32(1000)
        return HandFrame(frame.joints, "stb", frame.camera, depth, "left")


def _frames(root: Path, training: bool) -> Iterator[Listed]:
    images = root / "images" if (root / "images").is_dir() else root
    for path in _labels(root):
        if path.name.startswith("B1") == training:
            continue
        joints = read_from(path, lambda path: matlab.read(path, "handPara"))
        if joints.ndim != 3 or joints.shape[:2] != (3, 21):
            raise ValueError(f"{path}: expected handPara (3, 21, N), got {joints.shape}")
        sequence = path.name.removesuffix("_SK.mat")
        for number, told in enumerate(joints.T.astype(np.float64)):
            image = images / sequence / f"SK_depth_{number}.png"
            yield Listed(f"{sequence}/{number}", sequence, image, told, CAMERA)


def _labels(root: Path) -> list[Path]:
    return sorted((root / "labels").glob("B*_SK.mat"))


def _open(root: Path, training: bool, wanted: Wanted) -> STB:
    return STB(root, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="STB",
        gives="hands",
        told_by="`labels/B*_SK.mat`",
        holds=lambda path: bool(_labels(path)),
        open=_open,
        split="B2 to B6, B1",
        labels="20 of 21 joints: no wrist",
    ),
)
