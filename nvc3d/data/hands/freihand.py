"""FreiHAND: hands in colour, without depth, before many backgrounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nvc3d.data.hands.base import HandFrame
from nvc3d.data.hands.listed import Listed, ListedHands, pinhole
from nvc3d.data.registry import DataSet
from nvc3d.data.stored import read_from, require_split
from nvc3d.files import PathLike

SIZE = 224
SPLITS = ("training", "evaluation")


class FreiHAND(ListedHands):
    """The data set of Zimmermann, Ceylan, Yang, Russell, Argus, Brox, "FreiHAND", ICCV 2019.

        <split>_xyz.json            [21 joints x y z], metres
        <split>_K.json              [camera matrix]
        <split>/rgb/00000000.jpg    four images of each in training, one in evaluation

    All are right hands. Where there are k times N images, image i is of hand i modulo N.

    Args:
        root: the folder.
        split: "training" or "evaluation".
        points, seed: see Hands.

    Raises:
        FileNotFoundError: there is no such list.
        ValueError: lists of other forms or of unequal lengths, or no image there.
    """

    def __init__(self, root: PathLike, split: str, points: int = 1024, seed: int = 0) -> None:
        require_split(split, SPLITS)
        path = Path(root) / f"{split}_xyz.json"
        super().__init__(path, _frames(Path(root), split), points, seed, split == "training")

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        return HandFrame(
            frame.joints * 1000, "freihand", frame.camera, side="right", image=frame.path
        )


def _frames(root: Path, split: str) -> Iterator[Listed]:
    paths = [root / f"{split}_{what}.json" for what in ("xyz", "K")]
    joints, cameras = (
        read_from(path, lambda path: np.array(json.loads(path.read_text()), np.float64))
        for path in paths
    )
    if joints.shape != (len(cameras), 21, 3) or cameras.shape != (len(joints), 3, 3):
        raise ValueError(
            f"{paths[0]} and {paths[1].name}: expected (N, 21, 3) and (N, 3, 3), "
            f"got {joints.shape} and {cameras.shape}"
        )
    folder = root / split / "rgb"
    for number in range(max(len(joints), sum(1 for _ in folder.glob("*.jpg")))):
        row = number % len(joints)
        image, name = folder / f"{number:08d}.jpg", f"{split}/{number:08d}"
        yield Listed(name, "hands", image, joints[row], pinhole(cameras[row], SIZE, SIZE))


DATA_SETS = (
    DataSet(
        name="FreiHAND (no depth)",
        gives="hands",
        told_by="`training_xyz.json` or `evaluation_xyz.json`, beside `*_K.json`",
        holds=lambda path: any(
            (path / f"{split}_xyz.json").is_file() and (path / f"{split}_K.json").is_file()
            for split in SPLITS
        ),
        open=lambda root, training, wanted: FreiHAND(
            root, SPLITS[0 if training else 1], wanted.points, wanted.seed
        ),
        split="`training`, `evaluation`",
        labels="21 joints",
    ),
)
