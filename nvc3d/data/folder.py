"""Folders of the user's own as data sets, and that of shapes."""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.deal import deal
from nvc3d.data.layout import Layout
from nvc3d.data.listing import find_files
from nvc3d.data.naming import named
from nvc3d.data.stand_ins import FAULTS, StandIns
from nvc3d.data.tars import Packed, local, packed, shards
from nvc3d.files import PathLike, read_shape, reading
from nvc3d.files.formats import arrays
from nvc3d.files.registry import by_suffix
from nvc3d.geometry import voxels
from nvc3d.geometry.mesh import Shape, normalise

if TYPE_CHECKING:
    from typing_extensions import Self

# Up to this size all files are read at the start: seconds, and every fault shows before training.
EAGER_BYTES = 64 * 2**20

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Entry(Protocol[T_co]):
    """An item of a folder, before it is read."""

    @property
    def name(self) -> str: ...

    @property
    def category(self) -> str: ...

    def load(self) -> T_co: ...


class Folder(Sequence[tuple[T, int, str]], Generic[T]):
    """The base of such data sets: what lies in a folder and its sub-folders, by `Layout`, or in the
    shards that such a folder was packed into. Of those an item is read from its place, whichever is
    asked for, so that they are split, shuffled and dealt to processes as their folder is.

    If an item that was listed turns out to be broken when it is read, the next good one stands in
    for it, always the same one, and a warning names both.

    Args:
        path: the folder, a single file, or shards (see `tars.shards`).

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: a shard cannot be read.
    """

    what = "items"
    suffixes: Container[str] | None = None
    """of its files; None: those of shapes"""
    skipped: tuple[tuple[str, str], ...]
    """What cannot be used, by name, with the reason."""
    categories: tuple[str, ...]

    def __init__(self, path: PathLike) -> None:
        self.root = Path(path)
        self._files: dict[str, Path | Packed]
        if (urls := shards(path)) is not None:
            known = by_suffix() if self.suffixes is None else self.suffixes
            inside = [file for file in packed(urls) if file.suffix.lower() in known]
            self._files = {file.member.name: file for file in sorted(inside, key=_name)}
            self.root = Path(urls[0]).parent
        else:
            single = self.root.is_file()
            base = self.root.parent if single else self.root
            files = [self.root] if single else find_files(self.root, self.suffixes)
            self._files = {file.relative_to(base).as_posix(): file for file in files}
        self._layout = Layout(self.root, list(self._files))

    def _hold(
        self, entries: Sequence[Entry[T]], skipped: Sequence[tuple[str, str]], verb: str
    ) -> None:
        """Take entries in, with one warning of those that cannot be used.

        Raises ValueError where none is left.
        """
        self._entries: list[Any] = list(entries)
        self._stand_ins = StandIns()
        self.skipped = tuple(skipped)
        self.categories = tuple(sorted({entry.category for entry in entries} - {""}))
        if not skipped:
            return
        total = len(entries) + len(skipped)
        reasons = named([f"{name} ({why})" for name, why in skipped])
        message = f"{verb} {len(skipped)} of {total} {self.what}: {reasons}"
        if not entries:
            raise ValueError(f"{self.root}: no {self.what[:-1]} can be used: {message}")
        warnings.warn(f"{self.root}: {message}", stacklevel=3)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> tuple[T, int, str]:  # type: ignore[override]
        """An item, the index of its category in `categories`, -1 without one, and its name."""
        start = operator.index(index)
        if not -len(self) <= start < len(self):
            raise IndexError(f"there are {len(self)} {self.what}, got index {index}")
        at, item = self._stand_ins.load(
            start, len(self), lambda i: self._entries[i].load(), lambda i: self._entries[i].name
        )
        entry = self._entries[at]
        return item, self._label(entry), entry.name

    def name(self, index: int) -> str:
        """What an item is called, without reading it."""
        return str(self._entries[index].name)

    def label(self, index: int) -> int:
        """The index of an item's category, -1 without one; the item is not read."""
        return self._label(self._entries[index])

    def _label(self, entry: Entry[T]) -> int:
        return self.categories.index(entry.category) if entry.category else -1

    def of(self, indices: Sequence[int]) -> Self:
        """Some of the items, with the same categories."""
        part = copy.copy(self)
        part._entries = [self._entries[index] for index in indices]
        part._stand_ins = StandIns()
        return part

    def without(self, faults: Mapping[int, str]) -> Self:
        """The items but for some that turn out to be of no use, by number with the reason; a
        warning counts and names them. Raises ValueError where none is left."""
        part = copy.copy(self)
        lost = [(self.name(index), why) for index, why in faults.items()]
        part._hold([e for i, e in enumerate(self._entries) if i not in faults], lost, "left out")
        part.skipped = self.skipped + part.skipped
        return part

    def split(self, seed: int, fractions: Sequence[float]) -> tuple[Self, ...]:
        """Deal the items into disjoint parts by a hash of their names.

        The same seed gives the same parts on every machine. Every part gets an item at least; a
        broken file is replaced from its own part only.

        Raises:
            ValueError: fractions that are not positive or sum to more than 1, or fewer items than
                parts.
        """
        names = [entry.name for entry in self._entries]
        return tuple(self.of(part) for part in deal(names, seed, fractions, self.what))

    def parts(self, holdout: float, seed: int) -> tuple[Self | None, Self]:
        """What to train on and what to measure on: as folders called after splits say, or a
        fraction dealt by `split`. With `holdout` 1 nothing is trained on, and where there are no
        such folders all is measured on.

        Raises ValueError as `split` and `Layout.own_split` do.
        """
        names = [entry.name for entry in self._entries]
        if (own := self._layout.own_split(names)) is not None:
            return None if holdout == 1 else self.of(own[0]), self.of(own[1])
        if holdout == 1:
            return None, self
        train, held_out = self.split(seed, (1 - holdout, holdout))
        return train, held_out


class ShapeFolder(Folder[Shape]):
    """The shapes of a folder and its sub-folders, or of shards, each normalised to the unit ball.

    A shape is a file of a known kind, or one grid of an NPZ stack of voxel grids. Its category is
    the first sub-folder it lies in that is not one of a split (see `Layout`); for a stack beside
    the sub-folders the name of its file; otherwise `alone`.

    Shapes that cannot be used are skipped: one warning counts and names them, and `skipped` lists
    them with what is wrong. When that is found out depends on the size of the folder. Up to
    `EAGER_BYTES` in all, the files are read at once and kept. Above, only stacks of voxels are (one
    bit a voxel), and a file is read whenever it is asked for. A long training so neither waits for
    a thousand files nor dies of one.

    Args:
        path: the folder, a single file, or shards.
        alone: the category of files that lie in no sub-folder; "": they have none.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no shape, or none that can be used, or see `Layout`.
    """

    what = "shapes"

    def __init__(self, path: PathLike, alone: str = "shape") -> None:
        super().__init__(path)
        if not self._files:
            raise ValueError(f"{self.root}: the folder holds no file of a known kind of shape")
        eager = sum(_size(file) for file in self._files.values()) <= EAGER_BYTES
        entries: list[Entry[Shape]] = []
        skipped: list[tuple[str, str]] = []
        for name, file in self._files.items():
            try:
                if _stack_size(file) > 1:
                    category = self._layout.category(name, file.stem)
                    grids, empty = _read_stack(file, name, category)
                    entries += grids
                    skipped += empty
                    continue
                entry = _File(name, self._layout.category(name, alone), file)
                entries.append(_Kept(name, entry.category, entry.load()) if eager else entry)
            except FAULTS as error:
                skipped.append((name, _reason(file, error)))
        self._hold(entries, skipped, "skipped")


@dataclass(frozen=True)
class _File:
    """A file that is read whenever it is asked for."""

    name: str
    category: str
    file: Path | Packed

    def load(self) -> Shape:
        with local(self.file) as path:
            return normalise(read_shape(path))


@dataclass(frozen=True)
class _Kept:
    """A shape in memory."""

    name: str
    category: str
    shape: Shape

    def load(self) -> Shape:
        return self.shape


@dataclass(frozen=True)
class _Grid:
    """A voxel grid in memory, eight voxels a byte."""

    name: str
    category: str
    size: tuple[int, ...]
    bits: NDArray[np.uint8]

    def load(self) -> Shape:
        grid = np.unpackbits(self.bits, count=prod(self.size)).reshape(self.size)
        return normalise(voxels.to_mesh(grid))


def _name(file: Packed) -> str:
    return file.member.name


def _size(file: Path | Packed) -> int:
    if isinstance(file, Packed):
        return file.member.size
    # What cannot even be measured is found broken when it is read.
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _stack_size(file: Path | Packed) -> int:
    if file.suffix.lower() != ".npz":
        return 0
    with local(file) as path, reading(path):
        return arrays.stack_size(path)


def _read_stack(
    file: Path | Packed, name: str, category: str
) -> tuple[list[Entry[Shape]], list[tuple[str, str]]]:
    """The grids of a stack, and those that hold nothing with the reason."""
    entries: list[Entry[Shape]] = []
    empty: list[tuple[str, str]] = []
    with local(file) as path, reading(path):
        for i, grid in enumerate(arrays.read_stack(path)):
            filled = voxels.occupied(grid)
            if filled.any():
                bits = np.packbits(filled)
                entries.append(_Grid(f"{name}[{i}]", category, filled.shape, bits))
            else:
                empty.append((f"{name}[{i}]", "no voxel is occupied"))
    return entries, empty


def _reason(file: Path | Packed, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = f"{file.shard}: {file.member.name}" if isinstance(file, Packed) else str(file)
    return str(error).removeprefix(f"{said}: ")
