"""Completion3D: ShapeNet's shapes beside one view of each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from nvc3d.data.pairs.base import StoredPairs, Views
from nvc3d.data.pairs.synsets import category
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, chosen, present, read_from, require_split
from nvc3d.files import PathLike, hdf5

SPLITS = ("train", "val")


class Completion3D(StoredPairs):
    """The data set of TopNet (Tchapmi, Kosaraju, Rezatofighi, Reid, Savarese, "TopNet: Structural
    Point Cloud Decoder", CVPR 2019).

        <split>.list                        a line "<synset>/<id>" for each shape
        <split>/partial/<synset>/<id>.h5    "data", 2,048 points
        <split>/gt/<synset>/<id>.h5         the same

    Args:
        root: the folder.
        split: "train" or "val"; the truth of "test" was never handed out.
        categories: those wanted, by name; None: all.
        partial_points, complete_points, seed: see StoredPairs.

    Raises:
        MissingExtra: h5py is not installed (when an item is read).
        FileNotFoundError: there is no list of the split.
        ValueError: a split or a category unknown, a list of another form, or no shape there.
    """

    def __init__(
        self,
        root: PathLike,
        split: str,
        categories: Iterable[str] | None = None,
        partial_points: int = 2048,
        complete_points: int = 2048,
        seed: int = 0,
    ) -> None:
        super().__init__(partial_points, complete_points, seed, split == "train")
        require_split(split, SPLITS)
        self._folder = Path(root) / split
        listing = Path(root) / f"{split}.list"
        names = read_from(listing, _names)
        known = tuple(sorted({_category(name) for name in names}))
        self.categories = chosen(categories, known, listing)
        wanted = [name for name in names if _category(name) in self.categories]
        self._names = present(listing, wanted, lambda name: self._path("gt", name).is_file())

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def label(self, index: int) -> int:
        return self.categories.index(_category(self._names[index]))

    def stored(self, index: int) -> Views:
        seen, complete = (self._path(kind, self._names[index]) for kind in ("partial", "gt"))
        return [partial(_points, seen)], partial(_points, complete)

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / kind / f"{name}.h5"


def _points(path: Path) -> np.ndarray:
    return as_cloud(path, read_from(path, lambda file: hdf5.read(file, "data")))


def _category(name: str) -> str:
    return category(name.partition("/")[0])


def _names(path: Path) -> list[str]:
    names = path.read_text().split()
    if odd := [name for name in names if name.count("/") != 1]:
        raise ValueError(f"expected lines <synset>/<id>, got {odd[0]!r}")
    return names


def _open(root: Path, training: bool, wanted: Wanted) -> Completion3D:
    sizes = wanted.partial_points, wanted.points
    return Completion3D(root, "train" if training else "val", None, *sizes, wanted.seed)


DATA_SETS = (
    DataSet(
        name="Completion3D",
        gives="pairs",
        told_by="`train.list`",
        holds=lambda path: (path / "train.list").is_file(),
        open=_open,
        split="`train`, `val`",
    ),
)
