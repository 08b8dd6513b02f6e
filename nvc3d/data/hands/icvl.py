"""ICVL: hands in a depth camera, with middles of the pieces of their fingers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nvc3d.data.hands import lines
from nvc3d.data.hands.base import HandFrame
from nvc3d.data.hands.listed import Listed, ListedHands
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from
from nvc3d.files import PathLike, read_depth
from nvc3d.geometry.intrinsics import CAMERAS

LABELS = {
    True: ("Training/labels.txt",),
    False: ("Testing/test_seq_1.txt", "Testing/test_seq_2.txt"),
}


class ICVL(ListedHands):
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
        files = [Path(root) / name for name in LABELS[training]]
        super().__init__(files[0].parent, _frames(files), points, seed, training)

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        depth = read_depth(frame.path) * np.float32(1000)
        return HandFrame(frame.joints, "icvl", frame.camera, depth)


def _frames(files: list[Path]) -> Iterator[Listed]:
    camera = CAMERAS["icvl"]
    for path in files:
        names, seen = read_from(path, lambda path: lines.read(path, 16))
        joints = camera.lifted(*np.moveaxis(seen, -1, 0))  # of u, v and depth
        for name, told in zip(names, joints, strict=True):
            sequence = name.rpartition("/")[0] or "frames"
            image = path.parent / "Depth" / name
            yield Listed(name.removesuffix(".png"), sequence, image, told, camera)


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
