"""Rooms in text, a file for each thing in them: S3DIS as handed out, and what is made like it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.naming import named
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.scenes.base import LabelledScenes, Place
from nvc3d.data.scenes.own import split_places
from nvc3d.data.scenes.s3dis import AREAS, CLASSES, SPLIT, by_area
from nvc3d.data.scenes.scene import Rows, Scene, without_missing
from nvc3d.files import reading
from nvc3d.files.parsing import decoded, lines_of, number

FOLDER = "Annotations"
OTHERS = {"stairs": "clutter"}
"""Things of S3DIS that are no class of their own, and what they count as."""
BROKEN = 0.01
"""The share of a file's rows that may be broken; above, the file is."""
_THING = re.compile(r"(.+?)_(\d+)")


class AnnotatedRooms(LabelledScenes):
    """Rooms, plots, halls: whatever lies in the layout of S3DIS's text files.

        [Area_1/]conferenceRoom_1/Annotations/chair_1.txt    rows "x y z r g b", or "x y z"

    The class of a thing is the name of its file up to the number. A row that is not of numbers, as
    one of S3DIS is, is left out, with a warning that names it; a file with more of them than one
    in a hundred is refused, and its room with it.

    Args:
        places: the rooms, as `rooms` finds them.
        classes: the names of the labels. Files of other names have no label, but for stairs, which
            are clutter where there is such a class.
        categories, points, size, seed, training: see LabelledScenes.

    Raises:
        ValueError: see LabelledScenes.
    """

    def __init__(
        self,
        places: Sequence[Place],
        classes: Sequence[str],
        categories: Sequence[str],
        points: int = 4096,
        size: float = 1.0,
        seed: int = 0,
        training: bool = True,
    ) -> None:
        self._labels = {name: number for number, name in enumerate(classes)}
        super().__init__(places, classes, categories, points, size, seed, training)

    def open(self, path: Path) -> Scene:
        """A room, which is read as a whole."""
        parts: list[NDArray] = []
        labels: list[int] = []
        for file in _things(path):
            parts.append(_rows(file))
            name = _class_of(file)
            labels.append(self._labels.get(name, self._labels.get(OTHERS.get(name, ""), -1)))
        if not parts:
            raise ValueError(f"{path / FOLDER}: it holds no .txt files")
        width = min(part.shape[1] for part in parts)
        rows = np.concatenate([part[:, :width] for part in parts])
        lengths = [len(part) for part in parts]
        columns = {
            "label": np.repeat(np.array(labels, np.int64), lengths),
            "instance": np.repeat(np.arange(len(parts)), lengths),
        }
        if width == 6:
            columns["color"] = rows[:, 3:]

        def read(start: int, stop: int) -> Rows:
            here = {name: values[start:stop] for name, values in columns.items()}
            return Rows(rows[start:stop, :3], here)

        names = frozenset(columns)
        return without_missing(Scene(path, len(rows), names, read, tuple(self._labels), held=True))


def rooms(root: Path) -> list[Path]:
    """The folders that hold `Annotations`, in the folder itself or in its areas."""
    return sorted(
        {found.parent for where in ("*", "*/*") for found in root.glob(f"{where}/{FOLDER}")}
    )


def _things(room: Path) -> list[Path]:
    return sorted(p for p in (room / FOLDER).glob("*.txt") if not p.name.startswith("."))


def _class_of(file: Path) -> str:
    numbered = _THING.fullmatch(file.stem)
    return numbered[1] if numbered else file.stem


def _rows(file: Path) -> NDArray[np.float64]:
    """The rows (N, 6) or (N, 3) of a file."""
    with reading(file):
        lines = lines_of(decoded(file.read_bytes()))
        try:
            rows = np.loadtxt(lines, ndmin=2, comments=None)
        except ValueError:
            rows = _good_rows(file, lines)
        if rows.shape[1] < 3:
            raise ValueError(f"expected rows x y z r g b, got {rows.shape[1]} numbers a row")
        return rows[:, : 6 if rows.shape[1] >= 6 else 3]


def _good_rows(file: Path, lines: Sequence[str]) -> NDArray[np.float64]:
    """The rows that are of as many numbers as most are."""
    parsed: list[list[float]] = []
    for line in lines:
        numbers = [number(word) for word in line.split()]
        parsed.append([value for value in numbers if value is not None])
        if None in numbers:
            parsed[-1] = []
    usual = int(np.bincount([len(row) for row in parsed]).argmax())
    bad = [number for number, row in enumerate(parsed, 1) if len(row) != usual]
    told = named([f"{number} ({lines[number - 1].strip()[:60]!r})" for number in bad])
    message = f"{len(bad)} of {len(lines)} rows are not {usual or 6} numbers: row {told}"
    if not usual or len(bad) > max(BROKEN * len(lines), 1):
        raise ValueError(message)
    if bad:
        warnings.warn(f"{file}: left out, {message}", stacklevel=2)
    return np.array([row for row in parsed if len(row) == usual])


def _holds(path: Path) -> bool:
    return any(any(path.glob(f"{where}/{FOLDER}/*.txt")) for where in ("*", "*/*"))


def _open(root: Path, training: bool, wanted: Wanted) -> AnnotatedRooms:
    found = rooms(root)
    things = {_class_of(file) for room in found for file in _things(room)}
    areas = {room.parent.name for room in found if room.parent != root}
    drawn = wanted.points, wanted.block, wanted.seed
    names = [room.relative_to(root).as_posix() for room in found]
    if things <= {*CLASSES, *OTHERS} and areas and areas <= set(AREAS):
        numbers = [AREAS.index(room.parent.name) for room in found]
        places = [Place(*of) for of in zip(found, names, numbers, strict=True)]
        chosen = by_area(root, places, training, wanted)
        return AnnotatedRooms(chosen, CLASSES, AREAS, *drawn, training)
    kinds = sorted(areas) or ["scene"]
    numbers = [kinds.index(room.parent.name) if areas else 0 for room in found]
    places = [Place(*of) for of in zip(found, names, numbers, strict=True)]
    chosen = split_places(root, places, wanted.holdout, wanted.seed)[0 if training else 1]
    return AnnotatedRooms(chosen, sorted(things), kinds, *drawn, training)


DATA_SETS = (
    DataSet(
        name="S3DIS, text, and what is laid out like it",
        gives="scenes",
        told_by="`*/Annotations/*.txt` or `*/*/Annotations/*.txt`",
        holds=_holds,
        open=_open,
        split=f"S3DIS: {SPLIT}; others: `--holdout`, or `train/`, `val/`, `test/`",
        labels="S3DIS's 13 classes, or one for each name of files, `tree_1.txt`",
    ),
)
