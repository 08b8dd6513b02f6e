"""Labelled scenes as data sets of random blocks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from nvc3d.data.scenes.blocks import Block, block_around
from nvc3d.data.scenes.files import open_scene
from nvc3d.data.scenes.fit import check_blocks
from nvc3d.data.scenes.kept import Kept
from nvc3d.data.scenes.scene import Scene, Survey, survey
from nvc3d.data.stand_ins import FAULTS
from nvc3d.data.stored import Stored, require_counts


@dataclass(frozen=True)
class Place:
    """A scene of a data set: its files, its name, and the index of its area."""

    path: Path
    name: str
    label: int = 0


class LabelledScenes(Stored[Block]):
    """Blocks of scenes: what lies in a column around a random point of a scene.

    A scene gives as many items as it has times `points`, so that all of them together have as many
    points as the scenes; see Stored for broken files and randomness. Scenes are read in stretches,
    so they may be larger than memory. An item is what `Block.draw` gives.

    A scene that can be read as a whole only is kept in the temporary folder (TMPDIR) in a form that
    is read in stretches, for as long as the data set lives: of each point 12 bytes or more.

    Args:
        places: the scenes.
        classes: the names of the labels.
        categories: the names of the areas.
        points: of an item.
        size: of a block, in the units of the scenes: its sides along x and y.
        seed, training: see Stored.
        kept: opens the scenes, of which some may have been opened before.

    Raises:
        ValueError: a number out of range, no scene that can be opened, or blocks of which hardly
            one holds more than a point; a warning tells if it is a handful.
    """

    aligned = False

    def __init__(
        self,
        places: Sequence[Place],
        classes: Sequence[str],
        categories: Sequence[str],
        points: int,
        size: float,
        seed: int,
        training: bool,
        kept: Kept | None = None,
    ) -> None:
        require_counts(points=points)
        if not (isfinite(size) and size > 0):
            raise ValueError(f"size must be above 0, got {size}")
        super().__init__(seed, training)
        self.classes, self.categories = tuple(classes), tuple(categories)
        self.points, self.size = points, size
        self.places = list(places)
        self._kept = kept or Kept()
        opened = [self._opened(number) for number in range(len(places))]
        scenes = [scene for scene in opened if isinstance(scene, Scene)]
        if not scenes:
            raise ValueError(f"none of the {len(places)} scenes can be used: {opened[0]}")
        check_blocks(scenes, size, points)
        self.colors = all(scene.has_colors for scene in scenes)
        """whether all scenes have colours; else none is used"""
        # One that cannot be opened keeps an item, which says so when it is asked for.
        items = [max(1, s.count // points) if isinstance(s, Scene) else 1 for s in opened]
        self._ends = np.cumsum(items)
        self._known: dict[int, Survey | ValueError] = {}

    def without_colors(self) -> None:
        """Use no colours from here on, even where all scenes have them: what is learned from and
        what is measured on must describe points alike."""
        self.colors = False

    @property
    def features(self) -> int:
        """Length of the features of a point."""
        return 6 if self.colors else 3

    def scenes(self) -> Iterator[Scene]:
        """All scenes, one after the other; a warning names those that cannot be opened."""
        for number in range(len(self.places)):
            if isinstance(scene := self._opened(number), Scene):
                yield scene
            else:
                warnings.warn(f"left out: {scene}", stacklevel=2)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def name(self, index: int) -> str:
        return self.places[self.whole(index)].name

    def label(self, index: int) -> int:
        return self.places[self.whole(index)].label

    def load(self, index: int, rng: np.random.Generator) -> Block:
        at = self.whole(index)
        # What a broken one has is found out once: it may stand for hundreds of items.
        if isinstance(known := self._known.get(at), ValueError):
            raise known
        scene = self.scene(at)
        if known is None:
            try:
                known = self._known[at] = self._survey(scene)
            except ValueError as error:
                self._known[at] = error
                raise
        row = int(rng.integers(scene.count))
        return block_around(scene, known, row, self.size, self.colors)

    def open(self, path: Path) -> Scene:
        """A scene, by the path of its place. Raises as `open_scene` does."""
        return open_scene(path)

    def draw(self, loaded: Block, rng: np.random.Generator) -> dict[str, Any]:
        return loaded.draw(self.points, rng)

    def whole(self, index: int) -> int:
        """The number of the scene that an item is a block of."""
        return int(np.searchsorted(self._ends, index, side="right"))

    def _survey(self, scene: Scene) -> Survey:
        if not scene.has_labels:
            raise ValueError(f"{scene.path}: it has no labels")
        known = survey(scene)
        if known.classes > len(self.classes):
            raise ValueError(
                f"{scene.path}: labels must be from 0 to {len(self.classes) - 1}, or -1 or 255 "
                f"for none, got {known.classes - 1}"
            )
        return known

    def scene(self, number: int) -> Scene:
        """A scene, by the number of its place. Raises whatever opening it does."""
        return self._kept.open(self.places[number].path, self.open)

    def _opened(self, number: int) -> Scene | Exception:
        try:
            return self.scene(number)
        except FAULTS as error:
            return error
