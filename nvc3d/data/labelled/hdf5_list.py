"""The form in which PointNet's authors hand out data sets: stacks of shapes in HDF5 files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.stored import read_from
from nvc3d.files import hdf5


@dataclass(frozen=True)
class Row:
    """A shape: a row of a file's arrays."""

    path: Path
    row: int
    label: int

    def read(self, array: str) -> NDArray:
        """Its row of an array of its file."""
        rows = slice(self.row, self.row + 1)
        row: NDArray = read_from(self.path, lambda path: hdf5.read(path, array, rows))[0]
        return row

    @property
    def name(self) -> str:
        return f"{self.path.stem}/{self.row}"


def listed(listing: Path) -> list[Path]:
    """The files that a list names, a line each; only the names count, beside the list.

    Raises ValueError on an empty list, FileNotFoundError where a file is missing.
    """
    names = read_from(listing, lambda path: path.read_text().split())
    if not names:
        raise ValueError(f"{listing} names no files")
    return [listing.parent / Path(name).name for name in names]


def rows(paths: Iterable[Path], categories: Sequence[str], arrays: Sequence[str]) -> list[Row]:
    """All shapes of some files, which have `data` (S, N, 3), `label` (S, 1), and the same number of
    rows in the other arrays.

    Raises ValueError on files of another form, and on labels that are none of the categories.
    """
    found: list[Row] = []
    for path in paths:
        labels = read_from(path, lambda file: _labels(file, arrays))
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(categories):
            raise ValueError(
                f"{path}: labels must be from 0 to {len(categories) - 1}, "
                f"got {labels.min()} to {labels.max()}"
            )
        found += [Row(path, row, int(label)) for row, label in enumerate(labels)]
    if not found:
        raise ValueError(f"no shapes in {', '.join(str(path) for path in paths)}")
    return found


def _labels(path: Path, arrays: Sequence[str]) -> NDArray[np.int64]:
    labels = hdf5.read(path, "label").astype(np.int64).ravel()
    data = hdf5.shape(path, "data")
    if len(data) != 3 or data[2] != 3 or data[0] != len(labels):
        raise ValueError(f"expected data ({len(labels)}, N, 3) beside the labels, got {data}")
    for name in arrays:
        if (other := hdf5.shape(path, name)) != data[:2]:
            raise ValueError(f"expected {name} {data[:2]}, got {other}")
    return labels
