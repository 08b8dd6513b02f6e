"""A scene in its files, read a stretch of rows at a time: it may be larger than memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.label_names import UNLABELLED
from nvc3d.files.columns import as_labels as as_numbers
from nvc3d.files.columns import brightest
from nvc3d.geometry.mesh import Cloud

STRETCH = 2**16
"""Rows that are read at once."""
OUTSIDE = 1 / 200
"""Of all points, those at each end of an axis that do not tell where a scene begins: scanners see
mirrored ones below the ground, and a single one would lift all others."""
ENOUGH = 2**17
"""Points of a scene that tell where it begins and ends."""


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


def of_cloud(cloud: Cloud, path: Path = Path("the cloud")) -> Scene:
    """A cloud in memory as a scene; `path` is what errors call it."""

    def read(start: int, stop: int) -> Rows:
        columns = {name: values[start:stop] for name, values in cloud.columns.items()}
        return Rows(cloud.points[start:stop], columns)

    return Scene(path, len(cloud), frozenset(cloud.columns), read, cloud.label_names, held=True)


class Survey(NamedTuple):
    """What has to be known of all of a scene before any part of it makes sense."""

    low: NDArray[np.float64]
    """(3,) the lowest corner of the bounding box"""
    high: NDArray[np.float64]
    """(3,) the highest"""
    inner: NDArray[np.float64]
    """(2, 3) the same of the points inside, see `OUTSIDE`"""
    brightest: float
    """what its colours are out of: 1, 255 or 65535; 0 where it has none, or all are black"""
    classes: int
    """more than its highest label; 0 where it has none"""

    @property
    def origin(self) -> NDArray[np.float64]:
        """(3,) the lowest corner, on the ground."""
        return np.array([*self.low[:2], self.inner[0, 2]])

    def positions(self, points: NDArray) -> NDArray[np.float64]:
        """Points (n, 3) of the scene, 0 and 1 where the box of those inside begins and ends."""
        low, high = self.inner
        shares: NDArray[np.float64] = (points - low) / np.where(high > low, high - low, 1)
        return shares


def without_missing(scene: Scene) -> Scene:
    """The scene without the points that have a coordinate that is NaN, as sensors mark where they
    saw nothing; a warning counts them. All of it is read once.

    Raises ValueError, naming the file, where none is left.
    """
    if scene.read(0, 1).points.dtype.kind != "f":
        return scene
    gone: list[NDArray[np.int64]] = []
    for number, rows in enumerate(scene.stretches()):
        gone.append(np.flatnonzero(np.isnan(rows.points).any(1)) + number * STRETCH)
    missing = np.concatenate(gone)
    if not len(missing):
        return scene
    if len(missing) == scene.count:
        raise ValueError(f"{scene.path}: all of its {scene.count} points are NaN")
    before = missing - np.arange(len(missing))  # how many stay before each
    warnings.warn(
        f"{scene.path}: left out {len(missing)} of {scene.count} points that are NaN, which a "
        "sensor writes where it saw nothing",
        stacklevel=3,
    )

    def read(start: int, stop: int) -> Rows:
        first, last = (at + int(np.searchsorted(before, at, "right")) for at in (start, stop - 1))
        rows = scene.read(first, last + 1)
        seen = ~np.isnan(rows.points).any(1)
        return Rows(rows.points[seen], {name: v[seen] for name, v in rows.columns.items()})

    return replace(scene, count=scene.count - len(missing), read=read)


def survey(scene: Scene, labelled: bool = True) -> Survey:
    """Read all of a scene once; its labels are looked at only where they are wanted.

    Raises ValueError, naming the file, on coordinates that are not finite, colours that
    `nvc3d.files.columns.brightest` does not know, and labels that are no whole numbers from 0 up
    (or -1, NaN or 255: unlabelled).
    """
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    bright, top = 0.0, -1
    step = -(-scene.count // ENOUGH)
    some: list[NDArray] = []
    for rows in scene.stretches():
        points, colors, labels = rows.points, rows.colors, rows.labels
        finite = np.isfinite(points).all(1)
        if not finite.all():
            raise ValueError(f"{scene.path}: {int((~finite).sum())} points or more are not finite")
        low, high = np.minimum(low, points.min(0)), np.maximum(high, points.max(0))
        some.append(points[::step])
        if colors is not None:
            try:
                bright = max(bright, float(brightest(colors)) if colors.max() else 0)
            except ValueError as error:
                raise ValueError(f"{scene.path}: {error}") from None
        if labels is not None and labelled:
            top = max(top, int(as_labels(scene.path, labels).max()))
    return Survey(low, high, _inner(np.concatenate(some)), bright, top + 1)


def _inner(points: NDArray) -> NDArray[np.float64]:
    """The box (2, 3) of points (n, 3), but for those outside."""
    outside = int(OUTSIDE * len(points))
    ends = outside, len(points) - 1 - outside
    return np.partition(points.astype(np.float64), ends, axis=0)[list(ends)]


def as_labels(path: Path, values: NDArray) -> NDArray[np.int64]:
    """Labels (n,) as a file has them, -1 where there is none."""
    try:
        labels = as_numbers(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return np.where(np.isin(labels, UNLABELLED), -1, labels)
