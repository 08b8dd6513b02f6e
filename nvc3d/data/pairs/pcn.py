"""PCN: ShapeNet's shapes beside what a depth camera sees of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from nvc3d.data.pairs.base import StoredPairs, Views
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, chosen, present, read_from, require_split
from nvc3d.files import PathLike
from nvc3d.files.formats import pcd

SPLITS = ("train", "val", "test")


class PCN(StoredPairs):
    """The data set of PCN (Yuan, Khot, Held, Mertz, Hebert, "PCN: Point Completion Network", 3DV
    2018), as GRNet's authors hand it out.

        PCN.json                                  [{taxonomy_id, taxonomy_name, train, val, test}]
        <split>/complete/<synset>/<id>.pcd        16,384 points
        <split>/partial/<synset>/<id>/00.pcd ...  views of it, or a single <id>.pcd

    In training an item is one of a shape's views at random; in the other splits the first one.

    Args:
        root: the folder.
        split: "train", "val" or "test".
        categories: those wanted, by name; None: all.
        partial_points, complete_points, seed: see StoredPairs.

    Raises:
        FileNotFoundError: there is no PCN.json.
        ValueError: a split or a category unknown, a PCN.json of another form, or no shape there.
    """

    def __init__(
        self,
        root: PathLike,
        split: str,
        categories: Iterable[str] | None = None,
        partial_points: int = 2048,
        complete_points: int = 16384,
        seed: int = 0,
    ) -> None:
        super().__init__(partial_points, complete_points, seed, split == "train")
        require_split(split, SPLITS)
        folder = Path(root) / split
        self._complete, self._partial = folder / "complete", folder / "partial"
        listing = Path(root) / "PCN.json"
        taxonomy = read_from(listing, _taxonomy)
        known = tuple(name for _, name, _ in taxonomy)
        self.categories = chosen(categories, known, listing)
        named = [
            (synset, self.categories.index(name), shape)
            for synset, name, shapes in taxonomy
            if name in self.categories
            for shape in shapes.get(split, [])
        ]
        self._shapes = present(listing, named, lambda entry: self._path(entry).is_file())

    def __len__(self) -> int:
        return len(self._shapes)

    def name(self, index: int) -> str:
        synset, _, shape = self._shapes[index]
        return f"{synset}/{shape}"

    def label(self, index: int) -> int:
        return self._shapes[index][1]

    def stored(self, index: int) -> Views:
        synset, _, shape = self._shapes[index]
        folder = self._partial / synset / shape
        views = sorted(folder.glob("*.pcd")) or [folder.with_name(f"{shape}.pcd")]
        return [partial(_points, v) for v in views], partial(
            _points, self._path(self._shapes[index])
        )

    def _path(self, entry: tuple[str, int, str]) -> Path:
        return self._complete / entry[0] / f"{entry[2]}.pcd"


def _points(path: Path) -> np.ndarray:
    return as_cloud(path, read_from(path, pcd.read).points)


def _taxonomy(path: Path) -> list[tuple[str, str, dict[str, list[str]]]]:
    """Offset, name and shapes by split, of each category."""
    entries = json.loads(path.read_text())
    try:
        return [(entry["taxonomy_id"], entry["taxonomy_name"], entry) for entry in entries]
    except (TypeError, KeyError) as error:
        raise ValueError(
            "expected a list of categories with taxonomy_id, taxonomy_name and the splits"
        ) from error


def _open(root: Path, training: bool, wanted: Wanted) -> PCN:
    sizes = wanted.partial_points, wanted.points
    return PCN(root, "train" if training else "test", None, *sizes, wanted.seed)


DATA_SETS = (
    DataSet(
        name="PCN",
        gives="pairs",
        told_by="`PCN.json`",
        holds=lambda path: (path / "PCN.json").is_file(),
        open=_open,
        split="`train`, a random view of each shape; `test`",
    ),
)
