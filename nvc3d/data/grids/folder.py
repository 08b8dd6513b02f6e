"""The grids of a folder."""

from __future__ import annotations

import operator
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.deal import deal
from nvc3d.data.folder import category_of
from nvc3d.data.stand_ins import FAULTS, StandIns
from nvc3d.files import PathLike, find_shapes, read_shape, reading
from nvc3d.files.formats import arrays
from nvc3d.files.npz import Member, open_npz
from nvc3d.geometry.mesh import normalise
from nvc3d.geometry.voxelise import UNKNOWN, voxelise

Size = tuple[int, int, int]
KEYS = ("voxels", "labels")
"""Names of arrays of grids in an NPZ file."""
_NAMED_AT_MOST = 20


class Grids(Protocol):
    """Grids (X, Y, Z) uint8, each with the index of its category and its name."""

    @property
    def categories(self) -> tuple[str, ...]: ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes 1, 2, ...; empty where a voxel is only occupied or not."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int, str]: ...


class GridFolder(Sequence[tuple[NDArray[np.uint8], int, str]]):
    """The grids of a folder and its sub-folders, as they are stored.

    | file                                                        | gives                        |
    |-------------------------------------------------------------|------------------------------|
    | .npz with `voxels` or `labels` of shape (X, Y, Z) or        | its grids, kept packed       |
    | (K, X, Y, Z); .npy likewise                                 |                              |
    | any other that `read_shape` knows                           | the grid of the shape, which |
    |                                                             | is made whenever asked for   |

    Grids of bool, or of numbers from 0 to 1, tell what is occupied; those of whole numbers above 1
    have classes, and 255 where nothing is known. Categories are those of ShapeFolder. Grids of
    another size than asked for, and those of which no voxel is occupied, are left out; one warning
    counts and names them, and `skipped` lists them with what is wrong.

    Args:
        path: the folder, or a single file.
        size: of the grids.
        category: the only one wanted; None: all.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no grid or shape that can be used, or not the category.
    """

    def __init__(self, path: PathLike, size: Size, category: str | None = None) -> None:
        root = Path(path)
        files = [root] if root.is_file() else find_shapes(root)
        base = root.parent if root.is_file() else root
        self.size = size
        self._entries: list[_Packed | _Made] = []
        skipped: list[tuple[str, str]] = []
        names: set[str] = set()
        for file in files:
            name = file.relative_to(base).as_posix()
            kind = category_of(name, file.stem)
            names.add(kind)
            if category is not None and kind != category:
                continue
            try:
                if not holds_grids(file):
                    self._entries.append(_Made(name, kind, file, size))
                    continue
                for own, grid in read_grids(file, name):
                    try:
                        self._entries.append(_Packed.of(own, kind, as_grid(grid, size)))
                    except ValueError as error:
                        skipped.append((own, str(error)))
            except FAULTS as error:
                skipped.append((name, str(error)))
        if category is not None and category not in names:
            raise ValueError(f"{root} has no category {category!r}; it has {', '.join(names)}")
        if skipped:
            message = f"left out {len(skipped)} of {len(self._entries) + len(skipped)} grids: "
            message += ", ".join(f"{name} ({why})" for name, why in skipped[:_NAMED_AT_MOST])
            if len(skipped) > _NAMED_AT_MOST:
                message += f" and {len(skipped) - _NAMED_AT_MOST} more"
            if self._entries:
                warnings.warn(f"{root}: {message}", stacklevel=2)
        if not self._entries:
            raise ValueError(f"{root}: no grid can be used{': ' + message if skipped else ''}")
        self.skipped = tuple(skipped)
        self.categories = tuple(sorted({entry.category for entry in self._entries}))
        highest = max(entry.highest for entry in self._entries)
        self.classes = tuple(f"class {i}" for i in range(1, highest + 1)) if highest > 1 else ()
        self._stand_ins = StandIns()

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int, str]:  # type: ignore[override]
        start = operator.index(index)
        if not -len(self) <= start < len(self):
            raise IndexError(f"there are {len(self)} grids, got index {index}")
        at, grid = self._stand_ins.load(
            start, len(self), lambda i: self._entries[i].load(), lambda i: self._entries[i].name
        )
        entry = self._entries[at]
        return grid, self.categories.index(entry.category), entry.name

    def split(self, seed: int, fraction: float) -> tuple[GridFolder, GridFolder]:
        """Deal the grids into a fraction and the rest by a hash of their names.

        Raises ValueError on fewer grids than two.
        """
        parts = deal([entry.name for entry in self._entries], seed, (fraction, 1 - fraction))
        return self.of(parts[0]), self.of(parts[1])

    def of(self, indices: Sequence[int]) -> GridFolder:
        """Some of the grids, with the same categories and classes."""
        part = object.__new__(GridFolder)
        vars(part).update(vars(self))
        part._entries = [self._entries[i] for i in indices]
        part._stand_ins = StandIns()
        return part


def as_grid(values: NDArray, size: Size | None = None) -> NDArray[np.uint8]:
    """A grid as it is stored, as (X, Y, Z) uint8.

    Raises ValueError on another size than the one asked for, on values that are neither occupancies
    nor classes, and where no voxel is occupied.
    """
    if values.ndim != 3 or (size is not None and values.shape != tuple(size)):
        wanted = "(X, Y, Z)" if size is None else " x ".join(map(str, size))
        raise ValueError(f"a grid must be {wanted}, got {' x '.join(map(str, values.shape))}")
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise ValueError(f"a grid must be of finite numbers, got {values.dtype}")
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        grid = (values > 0.5).astype(np.uint8)
    elif low < 0 or high > UNKNOWN or (values != np.floor(values)).any():
        raise ValueError(f"classes must be whole numbers from 0 to 255, got {low} to {high}")
    else:
        grid = values.astype(np.uint8)
    if not ((grid > 0) & (grid != UNKNOWN)).any():
        unknown = f": it holds 0 and {UNKNOWN}, which stands for unknown" if grid.any() else ""
        raise ValueError(f"no voxel is occupied{unknown}")
    return grid


def holds_grids(file: Path) -> bool:
    """Whether a file is of voxel grids rather than of a mesh or a cloud."""
    kind = file.suffix.lower()
    with reading(file):
        if kind == ".npz":
            with open_npz(file) as found:
                return _stack(found) is not None
        return kind == ".npy" and np.load(file, mmap_mode="r").ndim in (3, 4)


def read_grids(file: Path, name: str) -> Iterator[tuple[str, NDArray]]:
    """The grids of a file, one by one, each with its name."""
    with reading(file):
        if file.suffix.lower() == ".npz":
            with open_npz(file) as found:
                stack = _stack(found)
                if stack is None:
                    raise ValueError(f"it holds no grids called {' or '.join(KEYS)}")
                yield from _named(arrays.read_grids(stack), arrays.grid_count(stack), name)
        else:
            array = np.load(file, mmap_mode="r")
            array = array if array.ndim == 4 else array[None]
            yield from _named(array, len(array), name)


def _named(grids: Iterable[NDArray], count: int, name: str) -> Iterator[tuple[str, NDArray]]:
    for i, grid in enumerate(grids):
        yield (f"{name}[{i}]" if count > 1 else name), np.asarray(grid)


def _stack(found: Mapping[str, Member]) -> Member | None:
    """Of the arrays of an NPZ file the one that holds grids; a cloud has `labels` too, (N,)."""
    named = (found[key] for key in KEYS if key in found)
    return next((array for array in named if len(array.shape) > 2), None)


@dataclass
class _Packed:
    """A grid in memory: a few kB."""

    name: str
    category: str
    size: tuple[int, ...]
    data: bytes
    highest: int

    @classmethod
    def of(cls, name: str, category: str, grid: NDArray[np.uint8]) -> _Packed:
        highest = int(grid[grid != UNKNOWN].max())
        return cls(name, category, grid.shape, zlib.compress(grid.tobytes(), 1), highest)

    def load(self) -> NDArray[np.uint8]:
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.size)


@dataclass
class _Made:
    """The grid of a shape in a file."""

    name: str
    category: str
    path: Path
    size: Size
    highest = 1

    def load(self) -> NDArray[np.uint8]:
        # The same points each time.
        return voxelise(normalise(read_shape(self.path)), self.size, np.random.default_rng(0))
