"""A scene in its files, read a stretch of rows at a time: it may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.label_names import UNLABELLED
from nvc3d.files.parsing import whole

STRETCH = 2**16
"""Rows that are read at once."""


class Rows(NamedTuple):
    """A stretch of a scene, as its file has it."""

    points: NDArray
    """(n, 3)"""
    columns: Mapping[str, NDArray] = MappingProxyType({})
    """(n,) or (n, C) each, by the names of `Cloud.columns`: color, label, ..."""

    @property
    def colors(self) -> NDArray | None:
        """(n, 3), from 0 to 1 or to 255, of any type."""
        return self.columns.get("color")

    @property
    def labels(self) -> NDArray | None:
        """(n,) as the file has them; see `as_labels`."""
        return self.columns.get("label")


@dataclass(frozen=True, eq=False)
class Scene:
    """Where a scene is, and how rows of it are read."""

    path: Path
    count: int
    """its points"""
    columns: frozenset[str]
    """the names of what its rows hold beside the points"""
    read: Callable[[int, int], Rows]
    """(start, stop) -> the rows"""
    label_names: tuple[str, ...] = ()
    """of the labels 0, 1, ..., where the file tells them"""
    held: bool = False
    """whether all of it had to be read, and lies in memory"""

    @property
    def has_colors(self) -> bool:
        return "color" in self.columns

    @property
    def has_labels(self) -> bool:
        return "label" in self.columns

    def stretches(self) -> Iterator[Rows]:
        """All rows, in order, a few at a time."""
        for start in range(0, self.count, STRETCH):
            yield self.read(start, min(start + STRETCH, self.count))


class Survey(NamedTuple):
    """What has to be known of all of a scene before any part of it makes sense."""

    low: NDArray[np.float64]  # (3,)
    high: NDArray[np.float64]  # (3,)
    brightest: float
    """of all values of its colours: 1 or 255; 0 where it has none"""
    classes: int
    """more than its highest label; 0 where it has none"""

    def positions(self, points: NDArray) -> NDArray[np.float64]:
        """Points (n, 3) of the scene, from 0 to 1 along each side of its bounding box."""
        extent = self.high - self.low
        shares: NDArray[np.float64] = (points - self.low) / np.where(extent > 0, extent, 1)
        return shares


def survey(scene: Scene) -> Survey:
    """Read all of a scene once.

    Raises ValueError, naming the file, on coordinates that are not finite, colours beyond 0 to
    255, and labels that are no whole numbers from 0 up (or -1 or 255: unlabelled).
    """
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    brightest, top = 0.0, -1
    for rows in scene.stretches():
        points, colors, labels = rows.points, rows.colors, rows.labels
        finite = np.isfinite(points).all(1)
        if not finite.all():
            raise ValueError(f"{scene.path}: {int((~finite).sum())} points or more are not finite")
        low, high = np.minimum(low, points.min(0)), np.maximum(high, points.max(0))
        if colors is not None:
            if not (colors.min() >= 0 and colors.max() <= 255):
                raise ValueError(
                    f"{scene.path}: colours must be from 0 to 255, or to 1, "
                    f"got {colors.min()} to {colors.max()}"
                )
            # Whole numbers are out of 255, however dark.
            whole_numbers = colors.dtype.kind != "f"
            brightest = max(brightest, 255.0 if whole_numbers or colors.max() > 1 else 1.0)
        if labels is not None:
            top = max(top, int(as_labels(scene.path, labels).max()))
    return Survey(low, high, brightest, top + 1)


def as_labels(path: Path, values: NDArray) -> NDArray[np.int64]:
    """Labels (n,) as a file has them, -1 where there is none."""
    try:
        labels = whole(values, "labels")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    labels = np.where(np.isin(labels, UNLABELLED), -1, labels)
    if labels.min(initial=0) < -1:
        raise ValueError(f"{path}: labels must be 0 or more, or -1 for none, got {labels.min()}")
    return labels
