"""A folder of shapes as a data set."""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.deal import deal
from nvc3d.data.stand_ins import FAULTS, StandIns
from nvc3d.files import PathLike, find_shapes, read_shape, reading
from nvc3d.files.formats import arrays
from nvc3d.geometry import voxels
from nvc3d.geometry.mesh import Shape, normalise

# Up to this size all files are read at the start: seconds, and every fault shows before training.
EAGER_BYTES = 64 * 2**20

_NAMED_AT_MOST = 20
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


class ShapeFolder(Sequence[tuple[Shape, int, str]]):
    """The shapes of a folder and its sub-folders, each normalised to the unit ball.

    A shape is a file of a known kind, or one grid of an NPZ stack of voxel grids. Its category is
    the first sub-folder it lies in that is not called train, val or test; for a stack beside the
    sub-folders the name of its file; otherwise "shape".

    Shapes that cannot be used are skipped: one warning counts and names them, and `skipped` lists
    them with what is wrong. When that is found out depends on the size of the folder. Up to
    `EAGER_BYTES` in all, the files are read at once and kept. Above, only stacks of voxels are (one
    bit a voxel), and a file is read whenever it is asked for; if it turns out to be broken, the
    next good shape stands in for it, always the same one, and a warning names both. A long
    training so neither waits for a thousand files nor dies of one.

    Args:
        path: the folder, or a single file.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no shape, or none that can be used.
    """

    def __init__(self, path: PathLike) -> None:
        root = Path(path)
        files = [root] if root.is_file() else find_shapes(root)
        if not files:
            raise ValueError(f"{root}: the folder holds no file of a known kind of shape")
        base = root.parent if root.is_file() else root
        eager = sum(_size(file) for file in files) <= EAGER_BYTES
        entries: list[_Entry] = []
        skipped: list[tuple[str, str]] = []
        for file in files:
            name = file.relative_to(base).as_posix()
            try:
                if _stack_size(file) > 1:
                    grids, empty = _read_stack(file, name)
                    entries += grids
                    skipped += empty
                    continue
                entry = _File(name, category_of(name, "shape"), file)
                entries.append(_Kept(name, entry.category, entry.load()) if eager else entry)
            except FAULTS as error:
                skipped.append((name, _reason(file, error)))
        self._entries = entries
        self._stand_ins = StandIns()
        self.skipped = tuple(skipped)
        self.categories = tuple(sorted({entry.category for entry in entries}))
        if skipped:
            message = f"skipped {len(skipped)} of {len(entries) + len(skipped)} shapes: "
            message += ", ".join(f"{name} ({why})" for name, why in skipped[:_NAMED_AT_MOST])
            if len(skipped) > _NAMED_AT_MOST:
                message += f" and {len(skipped) - _NAMED_AT_MOST} more"
            if not entries:
                raise ValueError(f"{root}: no shape can be used: {message}")
            warnings.warn(f"{root}: {message}", stacklevel=2)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> tuple[Shape, int, str]:  # type: ignore[override]
        """The normalised shape, the index of its category in `categories`, and its name."""
        start = operator.index(index)
        if not -len(self) <= start < len(self):
            raise IndexError(f"there are {len(self)} shapes, got index {index}")
        at, shape = self._stand_ins.load(
            start, len(self), lambda i: self._entries[i].load(), lambda i: self._entries[i].name
        )
        entry = self._entries[at]
        return shape, self.categories.index(entry.category), entry.name

    def label(self, index: int) -> int:
        """The index of a shape's category, without reading it."""
        return self.categories.index(self._entries[index].category)

    def split(self, seed: int, fractions: Sequence[float]) -> tuple[ShapeFolder, ...]:
        """Deal the shapes into disjoint parts by a hash of their names.

        The same seed gives the same parts on every machine. Every part gets a shape at least; a
        broken file is replaced from its own part only.

        Raises:
            ValueError: fractions that are not positive or sum to more than 1, or fewer shapes
                than parts.
        """
        parts = []
        for indices in deal([entry.name for entry in self._entries], seed, fractions):
            part = copy.copy(self)
            part._entries = [self._entries[index] for index in indices]
            part._stand_ins = StandIns()
            parts.append(part)
        return tuple(parts)


class _Entry(Protocol):
    name: str
    category: str

    def load(self) -> Shape: ...


@dataclass
class _File:
    """A file that is read whenever it is asked for."""

    name: str
    category: str
    path: Path

    def load(self) -> Shape:
        return normalise(read_shape(self.path))


@dataclass
class _Kept:
    """A shape in memory."""

    name: str
    category: str
    shape: Shape

    def load(self) -> Shape:
        return self.shape


@dataclass
class _Grid:
    """A voxel grid in memory, eight voxels a byte."""

    name: str
    category: str
    size: tuple[int, ...]
    bits: NDArray[np.uint8]

    def load(self) -> Shape:
        grid = np.unpackbits(self.bits, count=prod(self.size)).reshape(self.size)
        return normalise(voxels.to_mesh(grid))


def _size(file: Path) -> int:
    # What cannot even be measured is found broken when it is read.
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _stack_size(file: Path) -> int:
    if file.suffix.lower() != ".npz":
        return 0
    with reading(file):
        return arrays.stack_size(file)


def _read_stack(file: Path, name: str) -> tuple[list[_Entry], list[tuple[str, str]]]:
    """The grids of a stack, and those that hold nothing with the reason."""
    category = category_of(name, file.stem)
    entries: list[_Entry] = []
    empty: list[tuple[str, str]] = []
    with reading(file):
        for i, grid in enumerate(arrays.read_stack(file)):
            filled = voxels.occupied(grid)
            if filled.any():
                bits = np.packbits(filled)
                entries.append(_Grid(f"{name}[{i}]", category, filled.shape, bits))
            else:
                empty.append((f"{name}[{i}]", "no voxel is occupied"))
    return entries, empty


def category_of(name: str, alone: str) -> str:
    """The first sub-folder in a name that is not called train, val or test; `alone` without."""
    folders = [part for part in Path(name).parts[:-1] if part.lower() not in _SPLITS]
    return folders[0] if folders else alone


def _reason(file: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix(f"{file}: ")
