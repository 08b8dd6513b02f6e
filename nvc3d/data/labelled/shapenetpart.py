"""ShapeNetPart: shapes whose points are labelled with their parts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.labelled.base import Labelled, LabelledClouds
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, chosen, present, read_from, require_split
from nvc3d.files import PathLike

LISTED = "synsetoffset2category.txt"
SPLITS = ("train", "val", "test")
PARTS: dict[str, tuple[int, ...]] = {
    "Airplane": (0, 1, 2, 3),
    "Bag": (4, 5),
    "Cap": (6, 7),
    "Car": (8, 9, 10, 11),
    "Chair": (12, 13, 14, 15),
    "Earphone": (16, 17, 18),
    "Guitar": (19, 20, 21),
    "Knife": (22, 23),
    "Lamp": (24, 25, 26, 27),
    "Laptop": (28, 29),
    "Motorbike": (30, 31, 32, 33, 34, 35),
    "Mug": (36, 37),
    "Pistol": (38, 39, 40),
    "Rocket": (41, 42, 43),
    "Skateboard": (44, 45, 46),
    "Table": (47, 48, 49),
}
"""The labels of each category's parts."""
PART_NAMES = tuple(f"{name} {i}" for name, own in PARTS.items() for i in range(len(own)))


class ShapeNetPart(LabelledClouds):
    """The data set of Yi et al., "A Scalable Active Framework for Region Annotation in 3D Shape
    Collections", SIGGRAPH Asia 2016, with normals, as text.

        synsetoffset2category.txt                         a line "<category> <synset>" for each
        train_test_split/shuffled_<split>_file_list.json  ["shape_data/<synset>/<id>", ...]
        <synset>/<id>.txt                                 lines "x y z nx ny nz part"

    Args:
        root: the folder.
        split: "train", "val" or "test".
        categories: those wanted, by name; None: all.
        points, seed: see LabelledClouds.

    Raises:
        FileNotFoundError: a list is missing.
        ValueError: a split or a category unknown, a list of another form, or no shape there.
    """

    axes = (2, 0, 1)
    part_names = PART_NAMES

    def __init__(
        self,
        root: PathLike,
        split: str,
        categories: Iterable[str] | None = None,
        points: int = 2048,
        seed: int = 0,
    ) -> None:
        super().__init__(points, seed, split == "train")
        require_split(split, SPLITS)
        self._root = Path(root)
        names = read_from(self._root / LISTED, read_categories)
        listing = self._root / "train_test_split" / f"shuffled_{split}_file_list.json"
        self.categories = chosen(categories, tuple(sorted(names.values())), listing)
        shapes = [name for name in read_from(listing, read_shapes) if name[0] in names]
        wanted = [name for name in shapes if names[name[0]] in self.categories]
        self._shapes = present(listing, wanted, lambda name: self._path(name).is_file())
        self._labels = [self.categories.index(names[synset]) for synset, _ in self._shapes]

    def __len__(self) -> int:
        return len(self._shapes)

    def name(self, index: int) -> str:
        return "/".join(self._shapes[index])

    def label(self, index: int) -> int:
        return self._labels[index]

    def parts_of(self, category: str) -> tuple[int, ...]:
        return own_parts(category)

    def load(self, index: int, rng: np.random.Generator) -> Labelled:
        path = self._path(self._shapes[index])
        rows = read_from(path, _rows)  # (N, 7)
        parts = rows[:, 6].astype(np.int64)
        require_parts(str(path), parts, self.categories[self._labels[index]])
        normals = np.ascontiguousarray(rows[:, 3:6], np.float32)
        return Labelled(as_cloud(path, rows[:, :3]), normals, parts)

    def _path(self, shape: tuple[str, str]) -> Path:
        return self._root / shape[0] / f"{shape[1]}.txt"


def own_parts(category: str) -> tuple[int, ...]:
    """The labels of a category's parts. Raises ValueError on one that is none of ShapeNetPart's."""
    if category not in PARTS:
        raise ValueError(f"ShapeNetPart has no category {category!r}; it has {', '.join(PARTS)}")
    return PARTS[category]


def require_parts(what: str, parts: NDArray[np.int64], category: str) -> None:
    """Raises ValueError where a shape has parts that its category does not have."""
    own = PARTS.get(category, tuple(range(50)))
    if not np.isin(parts, own).all():
        odd = sorted(set(parts.tolist()) - set(own))
        raise ValueError(f"{what}: parts {odd} are not among those of {category}, {list(own)}")


def read_categories(path: Path) -> dict[str, str]:
    """Synset -> category."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if odd := [line for line in lines if len(line) != 2]:
        raise ValueError(f"expected lines <category> <synset>, got {' '.join(odd[0])!r}")
    return {synset: name for name, synset in lines}


def read_shapes(path: Path) -> list[tuple[str, str]]:
    """Synset and id of each shape."""
    names = json.loads(path.read_text())
    if not isinstance(names, list) or not all(str(name).count("/") == 2 for name in names):
        raise ValueError("expected a list of shape_data/<synset>/<id>")
    return [(synset, shape) for _, synset, shape in (name.split("/") for name in names)]


def _rows(path: Path) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = np.loadtxt(path, ndmin=2)
    if rows.shape[1] != 7:
        raise ValueError(f"expected lines x y z nx ny nz part, got {rows.shape[1]} numbers a line")
    return rows


def _open(root: Path, training: bool, wanted: Wanted) -> ShapeNetPart:
    split = "train" if training else "test"
    return ShapeNetPart(root, split, points=wanted.points, seed=wanted.seed)


DATA_SETS = (
    DataSet(
        name="ShapeNetPart, text with normals",
        gives="parts",
        told_by="`synsetoffset2category.txt`, no `*/points/`",
        holds=lambda path: (path / LISTED).is_file() and not any(path.glob("*/points")),
        open=_open,
        split="`train`, `test`",
        labels="50 parts of 16 categories",
    ),
)
