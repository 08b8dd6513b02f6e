"""The data sets, found in the modules of `nvc3d.data`, and which of them lies in a folder.

A data set is a module that holds its own as `DATA_SETS`; nothing else needs to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Literal

from nvc3d import data
from nvc3d.files import PathLike

Gives = Literal["pairs", "shapes", "parts", "scenes", "grids", "hands", "planes", "cars"]
GIVES: dict[Gives, str] = {
    "pairs": "pairs of a partial and a complete cloud",
    "shapes": "shapes, each of a category",
    "parts": "shapes whose points are labelled with their parts",
    "scenes": "scenes with labelled points",
    "grids": "voxel grids of scenes",
    "hands": "hands whose joints are known",
    "planes": "points whose planes are known",
    "cars": "cars of which nobody knows the complete cloud",
}
"""What data sets are of."""
_ARE_READ_BY = {
    "pairs": "completion",
    "shapes": "classification, completion or voxel_completion",
    "parts": "segmentation",
    "scenes": "segmentation",
    "grids": "voxel_completion",
    "hands": "hand_pose",
    "planes": "planes",
    "cars": "measuring a trained model of completion (nvc3d eval)",
}


@dataclass(frozen=True)
class Wanted:
    """What a task asks of a data set; each kind of data heeds what concerns it.

    Args:
        seed: of what is drawn, and of what is dealt where a data set has no split of its own.
        holdout: the fraction that is measured on there; 1: all.
        points: of an item, or of a complete cloud.
        partial_points: of a partial cloud.
        block: width of a block of a scene, in the units of the scene.
        difficulty: of ShapeNet-55's test shapes.
        size: of a voxel grid; None: as it is stored.
    """

    seed: int = 0
    holdout: float = 0.1
    points: int = 2048
    partial_points: int = 2048
    block: float = 1.0
    difficulty: str = "moderate"
    size: tuple[int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set as it is handed out.

    Args:
        name: what it is called.
        gives: what it is of.
        told_by: by which of its files and folders a folder is known to hold it.
        holds: whether a folder, or a file, does; it opens as few files as it can.
        open: (folder, training, wanted) -> what is trained on, or what is measured on: of "pairs" a
            StoredPairs, of "shapes" and "parts" a LabelledClouds, of "scenes" a LabelledScenes, of
            "grids" a Dataset with `categories` and `classes`, of "hands" a Hands, of "planes" a
            Planes. Raises ValueError or FileNotFoundError where a part is missing or of another
            form.
        split: what is trained on and what is measured on, for the documentation.
        labels: which labels there are, likewise.
    """

    name: str
    gives: Gives
    told_by: str
    holds: Callable[[Path], bool]
    open: Callable[[Path, bool, Wanted], Any]
    split: str
    labels: str = ""


@cache
def data_sets() -> tuple[DataSet, ...]:
    """All of them, in the order of their modules' names."""
    names = sorted(info.name for info in walk_packages(data.__path__, f"{data.__name__}."))
    return tuple(found for name in names for found in getattr(import_module(name), "DATA_SETS", ()))


def find(root: PathLike, *gives: Gives) -> DataSet | None:
    """The data set in a folder or a file, of one of some kinds; None where it is none that is
    known, and so the user's own.

    Raises ValueError where it is a data set of another kind, where it could be either of two, and
    where not the folder but one in it holds a data set.
    """
    path = Path(root)
    there = [found for found in data_sets() if found.holds(path)]
    fitting = [found for found in there if found.gives in gives]
    if len(fitting) > 1:
        either = " or ".join(f"{found.name} (told by {found.told_by})" for found in fitting)
        raise ValueError(f"{path} could be {either}: give each a folder of its own")
    if fitting:
        return fitting[0]
    if there:
        asked = " or ".join(GIVES[kind] for kind in gives if kind != "cars")
        raise ValueError(
            f"{path} holds {there[0].name} (told by {there[0].told_by}), {GIVES[there[0].gives]}, "
            f"for {_ARE_READ_BY[there[0].gives]}; here {asked} are asked for"
        )
    for folder in _folders(path):
        for found in data_sets():
            if found.gives in gives and found.holds(folder):
                raise ValueError(f"{path}: it is {folder} that holds {found.name}: give that one")
    return None


def table(gives: Iterable[Gives] = tuple(GIVES)) -> str:
    """The data sets of some kinds as a table in Markdown, for the documentation."""
    kinds = tuple(gives)
    rows = ["| data set | told by | labels | trained on, measured on |", "|---|---|---|---|"]
    for kind in kinds:
        rows += [
            f"| {found.name} | {found.told_by} | {found.labels} | {found.split} |"
            for found in data_sets()
            if found.gives == kind
        ]
    return "\n".join(rows)


def _folders(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return ()
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
