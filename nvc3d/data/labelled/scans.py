"""Shapes, each of a category: those of a data set, or of a folder of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from nvc3d.data.folder import ShapeFolder
from nvc3d.data.labelled.base import LabelledClouds
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.files import PathLike
from nvc3d.geometry.mesh import Cloud, Shape


class Scans(Sequence[tuple[Shape, int, str]]):
    """The clouds of a data set in the unit ball around their centroid, z up, and how many metres
    its radius is, if known; each with the index of its category and its name."""

    def __init__(self, stored: LabelledClouds) -> None:
        self._stored = stored
        self.categories = stored.categories

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, index: int) -> tuple[Shape, int, str]:  # type: ignore[override]
        item = self._stored[index]
        points = item["points"].numpy()[:, list(self._stored.axes)]
        size = float(item["size"]) if "size" in item else None
        return Cloud(points, unit=size), int(item["label"]), item["name"]

    def label(self, index: int) -> int:
        """The index of a shape's category, without reading it."""
        return self._stored.label(index)


class Shapes(Protocol):
    """Shapes in the unit ball whose category is known without making or reading them; those
    without one have the label -1."""

    @property
    def categories(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Shape, int, str]: ...

    def label(self, index: int) -> int: ...


def shapes_in(
    root: PathLike, known: DataSet | None, wanted: Wanted, alone: str = "shape"
) -> tuple[Shapes | None, Shapes]:
    """The shapes of a data set of "shapes" or "parts", or where it is none those of the user's own
    folder: what to train on, None where all is measured on, and what to measure on. Files of one's
    own that lie in no sub-folder are of the category `alone`, of none where that is "".

    Raises ValueError or FileNotFoundError where the folder holds no shapes that can be used.
    """
    if known is None:
        return ShapeFolder(root, alone).parts(wanted.holdout, wanted.seed)
    path = Path(root)
    test = Scans(known.open(path, False, wanted))
    return None if wanted.holdout == 1 else Scans(known.open(path, True, wanted)), test
