"""DexYCB: hands that lift things, before eight cameras."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.hands.base import HandFrame, Hands, Side
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import present, read_from
from nvc3d.extras import require
from nvc3d.files import PathLike, read_depth
from nvc3d.geometry.intrinsics import Intrinsics

WIDTH, HEIGHT = 640, 480
CAMERAS = "calibration/intrinsics"
PEOPLE, SEQUENCES = 10, 100
"""How many people there are, and sequences of each."""


class _Frame(NamedTuple):
    sequence: str
    serial: str
    number: int


class DexYCB(Hands):
    """The data set of Chao et al., "DexYCB: A Benchmark for Capturing Hand Grasping of Objects",
    CVPR 2021.

        calibration/intrinsics/836212060125_640x480.yml     {color: {fx, fy, ppx, ppy, ...}, ...}
        20200709-name/20200709_141754/meta.yml              {serials, num_frames, mano_sides, ...}
                                      pose.npz              pose_m (frames, 1, 51), 0: no hand
        .../836212060125/aligned_depth_to_color_000000.png  PNG of 16 bits, mm
                         color_000000.jpg
                         labels_000000.npz                  joint_3d (1, 21, 3) m, -1: not told

    The split is s0: of each person's sequences every fifth is measured on, but for those of the
    first two people, which s0 keeps for validation, and the others are trained on.

    Args:
        root: the folder.
        training: which part.
        points, seed: see Hands.

    Raises:
        MissingExtra: PyYAML is not installed.
        ValueError: a meta.yml, pose.npz or camera of another form, or no frame there.
    """

    def __init__(self, root: PathLike, training: bool, points: int = 1024, seed: int = 0) -> None:
        super().__init__(points, seed, training)
        self._root = Path(root)
        self._cameras: dict[str, Intrinsics] = {}
        self._sides: dict[str, Side] = {}
        frames = (f for name in _split(self._root, training) for f in self._of_sequence(name))
        self._frames = present(
            self._root, frames, lambda f: self._path(f, "labels_", ".npz").is_file(), "frames"
        )
        self.categories = tuple(sorted({_person(frame) for frame in self._frames}))

    def __len__(self) -> int:
        return len(self._frames)

    def name(self, index: int) -> str:
        sequence, serial, number = self._frames[index]
        return f"{sequence}/{serial}/{number:06d}"

    def label(self, index: int) -> int:
        return self.categories.index(_person(self._frames[index]))

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        depth = read_depth(self._path(frame, "aligned_depth_to_color_", ".png"))
        return HandFrame(
            read_from(self._path(frame, "labels_", ".npz"), _joints),
            "dexycb",
            self._cameras[frame.serial],
            depth * np.float32(1000),
            self._sides[frame.sequence],
            image=self._path(frame, "color_", ".jpg"),
        )

    def _of_sequence(self, name: str) -> Iterator[_Frame]:
        """The frames of a sequence that show a hand, camera by camera."""
        folder = self._root / name
        serials, self._sides[name] = read_from(folder / "meta.yml", _meta)
        seen = read_from(folder / "pose.npz", _seen)
        for serial in serials:
            if serial not in self._cameras:
                path = self._root / CAMERAS / f"{serial}_{WIDTH}x{HEIGHT}.yml"
                self._cameras[serial] = read_from(path, _camera)
            yield from (_Frame(name, serial, int(number)) for number in np.flatnonzero(seen))

    def _path(self, frame: _Frame, start: str, suffix: str) -> Path:
        folder = self._root / frame.sequence / frame.serial
        return folder / f"{start}{frame.number:06d}{suffix}"


def _person(frame: _Frame) -> str:
    return frame.sequence.partition("/")[0]


def _split(root: Path, training: bool) -> list[str]:
    """The sequences, "person/sequence", of a half of s0; of what is there of it, with a warning."""
    of_person: dict[str, list[str]] = {}
    for path in sorted(root.glob("*/*/meta.yml")):
        of_person.setdefault(path.parent.parent.name, []).append(path.parent.name)
    counts = {len(names) for names in of_person.values()}
    whole = len(of_person) == PEOPLE and counts == {SEQUENCES}
    if of_person and not whole:
        warnings.warn(
            f"{root}: it holds {sum(map(len, of_person.values()))} of {PEOPLE * SEQUENCES} "
            "sequences: every fifth of each person is measured on, which is not quite s0",
            stacklevel=4,
        )
    people = sorted(of_person)[0 if training or not whole else 2 :]
    return [
        f"{person}/{name}"
        for person in people
        for at, name in enumerate(of_person[person])
        if (at % 5 != 4) == training
    ]


def _yaml(path: Path) -> dict[str, Any]:
    yaml = require("yaml", "to read DexYCB")
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"expected names and values, got {type(found).__name__}")
    return found


def _meta(path: Path) -> tuple[list[str], Side]:
    found = _yaml(path)
    serials, sides = found.get("serials"), found.get("mano_sides")
    if not isinstance(serials, list) or not serials:
        raise ValueError(f"expected serials of cameras, got {serials!r}")
    if sides not in (["left"], ["right"]):
        raise ValueError(f"expected mano_sides of one hand, left or right, got {sides!r}")
    return [str(serial) for serial in serials], sides[0]


def _camera(path: Path) -> Intrinsics:
    color = _yaml(path).get("color")
    names = ("fx", "fy", "ppx", "ppy")
    if not isinstance(color, dict) or not all(name in color for name in names):
        raise ValueError(f"expected color with {', '.join(names)}")
    fx, fy, cx, cy = (float(color[name]) for name in names)
    return Intrinsics(fx, fy, cx, cy, WIDTH, HEIGHT)


def _array(path: Path, name: str) -> NDArray[np.float64]:
    with np.load(path, allow_pickle=False) as arrays:
        if name not in arrays:
            raise ValueError(f"it holds no {name}")
        return np.asarray(arrays[name], np.float64)


def _seen(path: Path) -> NDArray[np.bool_]:
    poses = _array(path, "pose_m")
    if poses.ndim != 3:
        raise ValueError(f"expected pose_m (frames, 1, 51), got {poses.shape}")
    return np.asarray((poses != 0).any((1, 2)))


def _joints(path: Path) -> NDArray[np.float64]:
    joints = _array(path, "joint_3d")
    if joints.shape != (1, 21, 3):
        raise ValueError(f"expected joint_3d (1, 21, 3), got {joints.shape}")
    return np.where((joints[0] == -1).all(-1, keepdims=True), np.nan, 1000 * joints[0])


def _open(root: Path, training: bool, wanted: Wanted) -> DexYCB:
    return DexYCB(root, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="DexYCB",
        gives="hands",
        told_by="`calibration/intrinsics/*_640x480.yml`",
        holds=lambda path: any((path / CAMERAS).glob(f"*_{WIDTH}x{HEIGHT}.yml")),
        open=_open,
        split="s0: `train`, `test`",
        labels="21 joints",
    ),
)
