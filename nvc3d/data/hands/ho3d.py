"""HO-3D: right hands that hold things, told by what fits all cameras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.hands.base import HandFrame, Hands
from nvc3d.data.hands.listed import dealt, pinhole
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import present, read_from
from nvc3d.files import PathLike, pickles
from nvc3d.files.depth import read_packed_depth
from nvc3d.geometry.intrinsics import turned

WIDTH, HEIGHT = 640, 480
STEP = 0.00012498664727900177
"""Metres of a step of depth."""
TOLD = "evaluation_xyz.json"


class HO3D(Hands):
    """The data set of Hampali, Rad, Oberweger, Lepetit, "HOnnotate: A Method for 3D Annotation of
    Hand and Object Poses", CVPR 2020, in its second or third version.

        train.txt                   ABF10/0000 a line
        train/ABF10/depth/0000.png  256 green + red, steps of 0.125 mm
        train/ABF10/rgb/0000.jpg    or .png
        train/ABF10/meta/0000.pkl   {handJoints3D (21, 3) m, camMat (3, 3), ...}
        evaluation.txt, evaluation/ likewise, but of handJoints3D the wrist alone
        evaluation_xyz.json         [21 joints x y z], metres, in the order of evaluation.txt

    All are right hands. Files have y up and z backward; here y is down and z forward. The joints of
    evaluation/ came later than the data set; where they are missing, some sequences of train/ are
    measured on.

    Args:
        root: the folder.
        training: which part.
        wanted: points, seed and holdout count.

    Raises:
        FileNotFoundError: there is no such list.
        ValueError: lists of other forms or of unequal lengths, or no frame there.
    """

    def __init__(self, root: PathLike, training: bool, wanted: Wanted | None = None) -> None:
        wanted = wanted or Wanted()
        super().__init__(wanted.points, wanted.seed, training)
        self._root = Path(root)
        told = (self._root / TOLD).is_file()
        self._split = "evaluation" if told and not training else "train"
        path = self._root / f"{self._split}.txt"
        names = read_from(path, _names)
        self._joints = read_from(self._root / TOLD, _joints) if told and not training else None
        if self._joints is not None and len(self._joints) != len(names):
            raise ValueError(f"{path} names {len(names)} frames, {TOLD} tells {len(self._joints)}")
        self._rows = {name: row for row, name in enumerate(names)}
        if not told:
            sequences = sorted({_sequence(name) for name in names})
            taken = set(dealt(sequences, training, wanted, "sequences"))
            names = [name for name in names if _sequence(name) in taken]
        self._frames = present(
            path, names, lambda name: self._path(name, "depth", ".png").is_file(), "frames"
        )
        self.categories = tuple(sorted({_sequence(name) for name in self._frames}))

    def __len__(self) -> int:
        return len(self._frames)

    def name(self, index: int) -> str:
        return f"{self._split}/{self._frames[index]}"

    def label(self, index: int) -> int:
        return self.categories.index(_sequence(self._frames[index]))

    def read(self, index: int) -> HandFrame:
        name = self._frames[index]
        joints, camera = read_from(self._path(name, "meta", ".pkl"), _meta)
        if self._joints is not None:
            joints = self._joints[self._rows[name]]
        if joints.shape != (21, 3):
            raise ValueError(f"{self.name(index)}: expected joints (21, 3), got {joints.shape}")
        image = self._path(name, "rgb", ".jpg")
        depth = read_packed_depth(self._path(name, "depth", ".png"), "green", "red", STEP)
        return HandFrame(
            turned(1000 * joints, "opengl"),
            "ho3d",
            pinhole(camera, WIDTH, HEIGHT),
            depth * np.float32(1000),
            "right",
            image=image if image.is_file() else image.with_suffix(".png"),
        )

    def _path(self, name: str, kind: str, suffix: str) -> Path:
        sequence, _, number = name.rpartition("/")
        return self._root / self._split / sequence / kind / f"{number}{suffix}"


def _sequence(name: str) -> str:
    return name.rpartition("/")[0]


def _names(path: Path) -> list[str]:
    names = path.read_text(encoding="utf-8").split()
    if bad := [name for name in names if name.count("/") != 1]:
        raise ValueError(f"expected a sequence and a frame a line, ABF10/0000, got {bad[0]!r}")
    return names


def _joints(path: Path) -> NDArray[np.float64]:
    joints = np.array(json.loads(path.read_text()), np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (21, 3):
        raise ValueError(f"expected joints (N, 21, 3), got {joints.shape}")
    return joints


def _meta(path: Path) -> tuple[NDArray[np.float64], Any]:
    found = pickles.read(path)
    joints = found.get("handJoints3D") if isinstance(found, dict) else None
    if joints is None or found.get("camMat") is None:
        raise ValueError("expected handJoints3D and camMat: the frame has no annotation")
    return np.asarray(joints, np.float64), found["camMat"]


DATA_SETS = (
    DataSet(
        name="HO-3D",
        gives="hands",
        told_by="`train.txt` beside `train/*/meta/`",
        holds=lambda path: (path / "train.txt").is_file() and any(path.glob("train/*/meta")),
        open=HO3D,
        split="`train`, `evaluation`; `--holdout` of the sequences without `evaluation_xyz.json`",
        labels="21 joints",
    ),
)
