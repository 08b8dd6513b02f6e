"""The grids of a folder."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.folder import Folder
from nvc3d.data.label_names import label_names
from nvc3d.data.stand_ins import FAULTS
from nvc3d.data.tars import Packed, local
from nvc3d.files import PathLike, read_shape, reading
from nvc3d.files.formats import arrays
from nvc3d.files.npz import Member, open_npz
from nvc3d.geometry.mesh import normalise
from nvc3d.geometry.voxelise import UNKNOWN, voxelise

Size = tuple[int, int, int]
KEYS = ("voxels", "labels")
"""Names of arrays of grids in an NPZ file."""


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


class GridFolder(Folder[NDArray[np.uint8]]):
    """The grids of a folder and its sub-folders, or of shards, as they are stored.

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
        path: the folder, a single file, or shards.
        size: of the grids.
        category: the only one wanted; None: all.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no grid or shape that can be used, or not the category, or see
            `Layout`.
    """

    what = "grids"

    def __init__(self, path: PathLike, size: Size, category: str | None = None) -> None:
        super().__init__(path)
        self.size = size
        entries: list[_Kept | _Made] = []
        skipped: list[tuple[str, str]] = []
        met: set[str] = set()
        for name, file in self._files.items():
            kind = self._layout.category(name, file.stem)
            met.add(kind)
            if category is not None and kind != category:
                continue
            try:
                with local(file) as path:
                    if not holds_grids(path):
                        entries.append(_Made(name, kind, file, size))
                        continue
                    for own, grid in read_grids(path, name):
                        try:
                            entries.append(_Kept.of(own, kind, as_grid(grid, size)))
                        except ValueError as error:
                            skipped.append((own, str(error)))
            except FAULTS as error:
                skipped.append((name, str(error)))
        if category is not None and category not in met:
            raise ValueError(
                f"{self.root} has no category {category!r}; it has {', '.join(sorted(met))}"
            )
        if not entries and not skipped:
            raise ValueError(f"{self.root}: no grid can be used")
        self._hold(entries, skipped, "left out")
        highest = max(entry.highest for entry in entries)
        named = label_names(self.root) if highest > 1 else ()
        self.classes = _classes(self.root, highest, named)


def _classes(root: Path, highest: int, named: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the classes 1, 2, ...; a file may name 0, which is empty, too."""
    if highest <= 1:
        return ()
    if named and len(named) <= highest:
        raise ValueError(
            f"{root}: its file of names of labels tells {len(named)}, from 0 on, and its grids "
            f"have classes up to {highest}"
        )
    return named[1:] or tuple(f"class {number}" for number in range(1, highest + 1))


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


@dataclass(frozen=True)
class _Kept:
    """A grid in memory: a few kB."""

    name: str
    category: str
    size: tuple[int, ...]
    data: bytes
    highest: int

    @classmethod
    def of(cls, name: str, category: str, grid: NDArray[np.uint8]) -> _Kept:
        highest = int(grid[grid != UNKNOWN].max())
        return cls(name, category, grid.shape, zlib.compress(grid.tobytes(), 1), highest)

    def load(self) -> NDArray[np.uint8]:
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.size)


@dataclass(frozen=True)
class _Made:
    """The grid of a shape in a file."""

    name: str
    category: str
    file: Path | Packed
    size: Size
    highest = 1

    def load(self) -> NDArray[np.uint8]:
        with local(self.file) as path:
            shape = normalise(read_shape(path))
        # The same points each time.
        return voxelise(shape, self.size, np.random.default_rng(0))
