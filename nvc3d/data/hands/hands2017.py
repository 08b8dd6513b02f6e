"""HANDS2017: nearly a million hands, told by sensors on their joints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nvc3d.data.hands import lines
from nvc3d.data.hands.base import HandFrame
from nvc3d.data.hands.listed import Listed, ListedHands, dealt
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from
from nvc3d.files import PathLike, read_depth
from nvc3d.geometry.intrinsics import CAMERAS

LABELS = "training/Training_Annotation.txt"


class Hands2017(ListedHands):
    """The frames with joints of Yuan, Ye, Garcia-Hernando, Kim, "The 2017 Hands in the Million
    Challenge on 3D Hand Pose Estimation", of BigHand2.2M's and FPHA's camera.

        training/Training_Annotation.txt    a name and 21 joints x y z a line
        training/images/<name>              PNG of 16 bits, mm

    The joints of its test are not handed out: a part of these is measured on.

    Args:
        root: the folder.
        training: which part.
        wanted: points, seed and holdout count.

    Raises:
        FileNotFoundError: there is no such label file.
        ValueError: it is of another form, or names no frame that is there.
    """

    def __init__(self, root: PathLike, training: bool, wanted: Wanted | None = None) -> None:
        wanted = wanted or Wanted()
        path = Path(root) / LABELS
        names, joints = read_from(path, lambda path: lines.read(path, 21))
        rows = dict(zip(names, joints, strict=True))
        folder, camera = path.parent / "images", CAMERAS["hands2017"]
        frames = (
            Listed(name.removesuffix(".png"), "hands", folder / name, rows[name], camera)
            for name in dealt(list(rows), training, wanted, "frames")
        )
        super().__init__(path, frames, wanted.points, wanted.seed, training)

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        depth = read_depth(frame.path) * np.float32(1000)
        return HandFrame(frame.joints, "hands2017", frame.camera, depth)


DATA_SETS = (
    DataSet(
        name="HANDS2017",
        gives="hands",
        told_by="`training/Training_Annotation.txt`",
        holds=lambda path: (path / LABELS).is_file(),
        open=Hands2017,
        split="`--holdout`",
        labels="21 joints",
    ),
)
