"""Pairs of the user's own: a folder of partial clouds beside one of complete ones."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.deal import deal
from nvc3d.data.layout import SPLITS
from nvc3d.data.naming import named
from nvc3d.data.pairs.base import StoredPairs, Views
from nvc3d.data.pairs.synsets import category
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, read_from
from nvc3d.files import find_shapes, hdf5, read_shape
from nvc3d.geometry.mesh import Mesh

PARTIAL = ("partial", "incomplete")
COMPLETE = ("complete", "gt")
"""What the two folders may be called."""
DRAWN = 16384
"""Points drawn from a mesh."""


@dataclass(frozen=True)
class Pair:
    """A complete cloud, and the partial ones that there are of it."""

    name: str
    category: str
    complete: Path
    partial: tuple[Path, ...]


class PairFolder(StoredPairs):
    """Pairs in two folders, one of them or one for each split.

        [<split>/]complete/[<category>/]<name>.*          or gt/
        [<split>/]partial/[<category>/]<name>.*           or incomplete/; or, of several views,
        [<split>/]partial/[<category>/]<name>/<view>.*

    Clouds are of any kind that `read_shape` knows, or HDF5 with `data`; of meshes 16,384 points are
    drawn. Synsets of ShapeNet are called by their categories. So PCN is read where its list is not
    there.

    Args:
        pairs: which, as `find_pairs` finds them.
        categories: of these and, perhaps, of others.
        partial_points, complete_points, seed, training: see StoredPairs.

    Raises:
        ValueError: a number that is out of range, or no pair.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        categories: Sequence[str],
        partial_points: int,
        complete_points: int,
        seed: int,
        training: bool,
    ) -> None:
        super().__init__(partial_points, complete_points, seed, training)
        if not pairs:
            raise ValueError("there is no pair of a partial and a complete cloud")
        self._pairs, self.categories = list(pairs), tuple(categories)

    def __len__(self) -> int:
        return len(self._pairs)

    def name(self, index: int) -> str:
        return self._pairs[index].name

    def label(self, index: int) -> int:
        return self.categories.index(self._pairs[index].category)

    def stored(self, index: int) -> Views:
        pair = self._pairs[index]
        return [partial(_points, view) for view in pair.partial], partial(_points, pair.complete)


def find_pairs(folder: Path) -> list[Pair]:
    """The pairs of two folders. A warning counts and names the clouds that have no other half.

    Raises ValueError where there is no pair.
    """
    of_partial, of_complete = (_named_as(folder, names) for names in (PARTIAL, COMPLETE))
    assert of_partial is not None and of_complete is not None
    views: defaultdict[str, list[Path]] = defaultdict(list)
    complete = {_key(file, of_complete): file for file in _clouds(of_complete)}
    alone = []
    for file in _clouds(of_partial):
        key = _key(file, of_partial)
        if key not in complete:
            key = key.rpartition("/")[0]
        if key in complete:
            views[key].append(file)
        else:
            alone.append(file.relative_to(folder).as_posix())
    alone += [f.relative_to(folder).as_posix() for key, f in complete.items() if key not in views]
    if alone:
        message = f"{folder}: {len(alone)} clouds have no other half: {named(alone)}"
        if not views:
            raise ValueError(f"{message}; the two of a pair must have the same name")
        warnings.warn(message, stacklevel=3)
    if not views:
        raise ValueError(f"{folder}: {of_partial.name} and {of_complete.name} hold no clouds")
    return [Pair(key, _category(key), complete[key], tuple(views[key])) for key in sorted(views)]


def _named_as(folder: Path, names: Sequence[str]) -> Path | None:
    """The sub-folder of one of some names, in any case."""
    if not folder.is_dir():
        return None
    return next(
        (p for p in sorted(folder.iterdir()) if p.name.lower() in names and p.is_dir()), None
    )


def _is_pair(folder: Path) -> bool:
    return all(_named_as(folder, names) is not None for names in (PARTIAL, COMPLETE))


def _splits(root: Path) -> dict[str, Path]:
    """The folders of splits that hold pairs."""
    if not root.is_dir():
        return {}
    folders = [path for path in sorted(root.iterdir()) if path.name.lower() in SPLITS]
    return {SPLITS[path.name.lower()]: path for path in folders if _is_pair(path)}


def _clouds(folder: Path) -> list[Path]:
    stacks = (path for path in folder.rglob("*.h5") if not path.name.startswith("."))
    return sorted([*find_shapes(folder), *stacks])


def _key(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _category(key: str) -> str:
    first, _, rest = key.partition("/")
    return category(first) if rest else "shape"


def _points(path: Path) -> NDArray[np.float32]:
    if path.suffix.lower() == ".h5":
        return as_cloud(path, read_from(path, lambda file: hdf5.read(file, "data")))
    shape = read_shape(path)
    if isinstance(shape, Mesh):
        return shape.sample(DRAWN, np.random.default_rng(0))[0]
    return as_cloud(path, shape.points)


def _holds(path: Path) -> bool:
    listed = (path / "PCN.json").is_file() or (path / "train.list").is_file()
    return not listed and (_is_pair(path) or bool(_splits(path)))


def _open(root: Path, training: bool, wanted: Wanted) -> PairFolder:
    sizes = wanted.partial_points, wanted.points
    splits = _splits(root)
    if len(splits) > 1:
        if "train" not in splits:
            raise ValueError(f"{root}: it has pairs in {', '.join(splits)}, but none in train")
        measured = splits.get("test") or splits["val"]
        pairs = find_pairs(splits["train"] if training else measured)
        # Both halves must number categories alike.
        kinds = {pair.category for folder in splits.values() for pair in _quietly(folder)}
        return PairFolder(pairs, sorted(kinds), *sizes, wanted.seed, training)
    pairs = find_pairs(next(iter(splits.values()), root))
    categories = sorted({pair.category for pair in pairs})
    if wanted.holdout < 1:
        names = [pair.name for pair in pairs]
        parts = deal(names, wanted.seed, (1 - wanted.holdout, wanted.holdout), "pairs")
        pairs = [pairs[index] for index in parts[0 if training else 1]]
    return PairFolder(pairs, categories, *sizes, wanted.seed, training)


def _quietly(folder: Path) -> list[Pair]:
    """The pairs again, of which all has been said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return find_pairs(folder)


DATA_SETS = (
    DataSet(
        name="pairs in folders, as PCN without its list",
        gives="pairs",
        told_by="`partial/` (or `incomplete/`) beside `complete/` (or `gt/`), in the folder or in "
        "`train/`, `val/`, `test/`",
        holds=_holds,
        open=_open,
        split="`train`, a random view of each shape; `test`, else `val`; `--holdout` without",
    ),
)
