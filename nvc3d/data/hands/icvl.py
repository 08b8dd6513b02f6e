"""ICVL: hands in a depth camera, with middles of the pieces of their fingers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nvc3d.data.hands import lines
from nvc3d.data.hands.base import HandFrame, Hands
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import present, read_from
from nvc3d.files import PathLike, read_depth
from nvc3d.geometry.intrinsics import CAMERAS

LABELS = {
    True: ("Training/labels.txt",),
    False: ("Testing/test_seq_1.txt", "Testing/test_seq_2.txt"),
}


class ICVL(Hands):
    """The data set of Tang, Chang, Tejani, Kim, "Latent Regression Forest: Structured Estimation of
    3D Articulated Hand Posture", CVPR 2014.

        Training/labels.txt                     a path and 16 joints u v depth a line
        Training/Depth/<path>                   PNG of 16 bits, mm
        Testing/test_seq_1.txt, test_seq_2.txt  likewise
        Testing/Depth/<path>

    Args:
        root: the folder.
        training: the frames of training, drawn anew in each epoch; else those of both tests.
        points, seed: see Hands.

    Raises:
        FileNotFoundError: there is no such label file.
        ValueError: it is of another form, or names no frame that is there.
    """

    def __init__(self, root: PathLike, training: bool, points: int = 1024, seed: int = 0) -> None:
        super().__init__(points, seed, training)
        files = [Path(root) / name for name in LABELS[training]]
        self._depth = files[0].parent / "Depth"
        found = [read_from(path, lambda path: lines.read(path, 16)) for path in files]
        names = [name for part, _ in found for name in part]
        seen = np.concatenate([rows for _, rows in found])  # (N, 16, 3): u, v and depth
        self._joints = CAMERAS["icvl"].lifted(*np.moveaxis(seen, -1, 0))
        self._frames = present(
            files[0].parent,
            enumerate(names),
            lambda frame: (self._depth / frame[1]).is_file(),
            "frames",
        )
        self.categories = tuple(sorted({_sequence(name) for _, name in self._frames}))

    def __len__(self) -> int:
        return len(self._frames)

    def name(self, index: int) -> str:
        return self._frames[index][1].removesuffix(".png")

    def label(self, index: int) -> int:
        return self.categories.index(_sequence(self._frames[index][1]))

    def read(self, index: int) -> HandFrame:
        row, name = self._frames[index]
        depth = read_depth(self._depth / name) * np.float32(1000)
        return HandFrame(self._joints[row], "icvl", CAMERAS["icvl"], depth)


def _sequence(name: str) -> str:
    return name.rpartition("/")[0] or "frames"


def _open(root: Path, training: bool, wanted: Wanted) -> ICVL:
    return ICVL(root, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="ICVL",
        gives="hands",
        told_by="`Training/labels.txt` or `Testing/test_seq_1.txt`",
        holds=lambda path: (
            (path / LABELS[True][0]).is_file() or (path / LABELS[False][0]).is_file()
        ),
        open=_open,
        split="`Training`, both of `Testing`",
        labels="5 of 21 joints: the tips",
    ),
)
