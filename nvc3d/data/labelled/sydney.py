"""Sydney Urban Objects: what a laser scanner on a car sees of single things in a street."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nvc3d.data.labelled.base import Labelled, LabelledClouds
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, present, read_from
from nvc3d.files import PathLike

RECORD = np.dtype(
    [
        *(("time", "<i8"), ("intensity", "u1"), ("laser", "u1"), ("point", "<f4", 3)),
        *(("azimuth", "<f4"), ("range", "<f4"), ("number", "<i4")),
    ]
)
"""A point in a file."""


class SydneyUrban(LabelledClouds):
    """The data set of De Deuge, Quadros, Hung, Douillard, "Unsupervised Feature Learning for
    Classification of Outdoor 3D Scans", ACRA 2013. Files have z down; here it is up.

        objects/<category>.<scene>.<number>.bin     records of 34 bytes, a point each
        folds/fold0.txt, ...                        names of files, a line each

    Args:
        root: the folder.
        folds: names of the folds that are wanted, "fold0".
        training: whether what is drawn is new in each epoch.
        points, seed: see LabelledClouds.

    Raises:
        FileNotFoundError: there is no such fold.
        ValueError: a fold names no object that is there.
    """

    unit = 1.0

    def __init__(
        self,
        root: PathLike,
        folds: Sequence[str],
        training: bool,
        points: int | None = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(points, seed, training)
        self._objects = Path(root) / "objects"
        lists = {path.stem: path for path in _folds(Path(root))}
        every = [name for path in lists.values() for name in _names(path)]
        self.categories = tuple(sorted({_category(name) for name in every}))
        files = [
            name
            for fold in folds
            for name in _names(lists.get(fold, Path(root) / "folds" / f"{fold}.txt"))
        ]
        self._files = present(
            Path(root) / "folds", files, lambda name: (self._objects / name).is_file()
        )

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        return self._files[index].removesuffix(".bin")

    def label(self, index: int) -> int:
        return self.categories.index(_category(self._files[index]))

    def load(self, index: int, rng: np.random.Generator) -> Labelled:
        path = self._objects / self._files[index]
        data = read_from(path, lambda file: file.read_bytes())
        if len(data) % RECORD.itemsize:
            raise ValueError(
                f"{path}: expected records of {RECORD.itemsize} bytes, got {len(data)} bytes"
            )
        points = np.frombuffer(data, RECORD)["point"]
        # Turned about x, so that what was left stays left.
        return Labelled(as_cloud(path, points * np.array([1, -1, -1], np.float32)))


def _folds(root: Path) -> list[Path]:
    return sorted((root / "folds").glob("fold*.txt"))


def _names(path: Path) -> list[str]:
    return read_from(path, lambda file: file.read_text().split())


def _category(name: str) -> str:
    return name.partition(".")[0]


def _open(root: Path, training: bool, wanted: Wanted) -> SydneyUrban:
    folds = [path.stem for path in _folds(root)]
    if len(folds) < 2 and wanted.holdout < 1:
        raise ValueError(f"{root}: it has one fold only, {folds[0]}, and none to measure on")
    return SydneyUrban(root, folds[:-1] if training else folds[-1:], training, None, wanted.seed)


DATA_SETS = (
    DataSet(
        name="Sydney Urban Objects",
        gives="shapes",
        told_by="`folds/fold*.txt` beside `objects/*.bin`",
        holds=lambda path: bool(_folds(path)) and any((path / "objects").glob("*.bin")),
        open=_open,
        split="the other folds, the last one",
        labels="14 categories",
    ),
)
