"""ModelNet40 and ModelNet10 as text: `modelnet40_normal_resampled`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nvc3d.data.labelled.base import Labelled, LabelledClouds
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, present, read_from, require_split
from nvc3d.files import PathLike

SPLITS = ("train", "test")
VARIANTS = ("modelnet40", "modelnet10")


class ModelNetText(LabelledClouds):
    """The data set of `ModelNet40`, as PointNet++'s authors sampled it, 10,000 points a shape.

        modelnet40_shape_names.txt                  the categories, a line each
        modelnet40_train.txt, modelnet40_test.txt   names of shapes, "airplane_0001", a line each
        <category>/<name>.txt                       lines "x,y,z,nx,ny,nz"

    Args:
        root: the folder.
        split: "train" or "test".
        variant: "modelnet40" or "modelnet10", which the lists are called after.
        points, seed: see LabelledClouds.

    Raises:
        FileNotFoundError: a list is missing.
        ValueError: a split or variant unknown, a list of another form, or no shape there.
    """

    axes = (2, 0, 1)

    def __init__(
        self,
        root: PathLike,
        split: str,
        variant: str = "modelnet40",
        points: int | None = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(points, seed, split == "train")
        require_split(split, SPLITS)
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")
        self._root = Path(root)
        self.categories = tuple(_lines(self._root / f"{variant}_shape_names.txt"))
        listing = self._root / f"{variant}_{split}.txt"
        names = _lines(listing)
        if odd := [name for name in names if _category(name) not in self.categories]:
            raise ValueError(f"{listing}: expected lines <category>_<number>, got {odd[0]!r}")
        self._names = present(listing, names, lambda name: self._path(name).is_file())

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def label(self, index: int) -> int:
        return self.categories.index(_category(self._names[index]))

    def load(self, index: int, rng: np.random.Generator) -> Labelled:
        path = self._path(self._names[index])
        rows = read_from(path, lambda file: np.loadtxt(file, np.float32, delimiter=",", ndmin=2))
        if rows.shape[1] not in (3, 6):
            raise ValueError(f"{path}: expected lines x,y,z,nx,ny,nz, got {rows.shape[1]} numbers")
        return Labelled(as_cloud(path, rows[:, :3]))

    def _path(self, name: str) -> Path:
        return self._root / _category(name) / f"{name}.txt"


def _category(name: str) -> str:
    return name.rpartition("_")[0]


def _lines(path: Path) -> list[str]:
    return read_from(path, lambda file: file.read_text().split())


def _variant(root: Path) -> str | None:
    """Whose lists are there; the folder that is handed out has both, and holds ModelNet40."""
    return next((v for v in VARIANTS if (root / f"{v}_train.txt").is_file()), None)


def _open(root: Path, training: bool, wanted: Wanted) -> ModelNetText:
    variant = _variant(root)
    assert variant is not None
    return ModelNetText(root, "train" if training else "test", variant, None, wanted.seed)


DATA_SETS = (
    DataSet(
        name="ModelNet40, text (`modelnet40_normal_resampled`); ModelNet10",
        gives="shapes",
        told_by="`modelnet40_train.txt`; `modelnet10_train.txt` without it",
        holds=lambda path: _variant(path) is not None,
        open=_open,
        split="`train`, `test`",
        labels="40 or 10 categories",
    ),
)
