"""Data sets of hands that list their frames when they are opened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.data.deal import deal
from nvc3d.data.hands.base import Hands, Side
from nvc3d.data.registry import Wanted
from nvc3d.data.stored import present
from nvc3d.geometry.intrinsics import Intrinsics


@dataclass(frozen=True, eq=False)
class Listed:
    """A frame: what it is called, of whom it is, its file, and what else is known of it."""

    name: str
    category: str
    path: Path
    joints: NDArray[np.float64]
    camera: Intrinsics
    side: Side = "unknown"


class ListedHands(Hands):
    """The base of such data sets.

    Args:
        what: the folder or file that lists them, for messages.
        frames: those listed; whose file is not there is left out, with a warning.
        points, seed, training: see Hands.

    Raises:
        ValueError: none of them is there.
    """

    def __init__(
        self, what: Path, frames: Iterable[Listed], points: int, seed: int, training: bool
    ) -> None:
        super().__init__(points, seed, training)
        listed = {frame.name: frame for frame in frames}
        there = present(what, listed, lambda name: listed[name].path.is_file(), "frames")
        self._frames = [listed[name] for name in there]
        self.categories = tuple(sorted({frame.category for frame in self._frames}))

    def __len__(self) -> int:
        return len(self._frames)

    def name(self, index: int) -> str:
        return self._frames[index].name

    def label(self, index: int) -> int:
        return self.categories.index(self._frames[index].category)


def dealt(names: list[str], training: bool, wanted: Wanted, what: str) -> list[str]:
    """The names that are trained on, or measured on, where a data set has no split of its own."""
    if wanted.holdout == 1:
        return [] if training else names
    parts = deal(names, wanted.seed, (1 - wanted.holdout, wanted.holdout), what)
    return [names[index] for index in parts[0 if training else 1]]


def pinhole(matrix: ArrayLike, width: int, height: int) -> Intrinsics:
    """The camera of a matrix (3, 3). Raises ValueError on one of another form."""
    k = np.asarray(matrix, np.float64)
    if k.shape != (3, 3):
        raise ValueError(f"expected a camera matrix (3, 3), got {k.shape}")
    fx, fy, cx, cy = map(float, (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
    return Intrinsics(fx, fy, cx, cy, width, height)
