"""Hands and their joints as a data set stores them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.data.draws import rows_drawn
from nvc3d.data.registry import Wanted
from nvc3d.data.stored import Stored, require_counts
from nvc3d.geometry.hand_joints import to_canonical
from nvc3d.geometry.intrinsics import Intrinsics

Side = Literal["left", "right", "unknown"]


@dataclass(frozen=True, eq=False)
class HandFrame:
    """A hand in an image. Lengths are millimetres, x to the right, y down, z forward.

    Args:
        annotated: (J, 3) float64, the joints that the data set tells, in its own order; NaN: not
            told.
        order: that order, one of `hand_joints.ORDERS`.
        camera: of the depth image, or of the colour image where there is none.
        depth: (height, width) float32, 0 where nothing was seen; None: there is no depth.
        side: which hand it is.
        cube: the width of the box around the joints' middle that holds the hand.
        image: the colour image.
    """

    annotated: NDArray[np.float64]
    order: str
    camera: Intrinsics
    depth: NDArray[np.float32] | None = None
    side: Side = "unknown"
    cube: float = 250.0
    image: Path | None = None

    @cached_property
    def canonical(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Our joints (21, 3), NaN where there are none, and which there are, (21,)."""
        return to_canonical(self.annotated, self.order)

    @cached_property
    def middle(self) -> NDArray[np.float64]:
        """The mean (3,) of the joints that are told."""
        told = self.annotated[np.isfinite(self.annotated).all(-1)]
        if len(told) == 0:
            raise ValueError("none of its joints is told")
        return np.asarray(told.mean(0))

    def points(self) -> NDArray[np.float32]:
        """The points (N, 3) that the depth image shows in the cube around the hand.

        Raises ValueError where there is no depth image, or it shows nothing there.
        """
        return self._seen()[0]

    def pixels(self) -> NDArray[np.int64]:
        """The u and v (N, 2) of those points. Raises as `points` does."""
        return self._seen()[1]

    def _seen(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if self.depth is None:
            raise ValueError("there is no depth image")
        seen = self.camera.points(self.depth / 1000)
        points = seen.points * 1000
        inside = np.abs(points - self.middle).max(-1) <= self.cube / 2
        if not inside.any():
            x, y, z = self.middle
            raise ValueError(
                f"the depth image shows nothing within {self.cube / 2:g} mm of the hand's middle, "
                f"({x:.0f}, {y:.0f}, {z:.0f}) mm"
            )
        return np.ascontiguousarray(points[inside], np.float32), seen.columns["pixel"][inside]


Loaded = tuple[HandFrame, NDArray[np.float32] | None]
"""A frame, and the points of its hand where it has depth."""


class Hands(Stored[Loaded]):
    """The base of the data sets of hands; see Stored for broken files and randomness.

    Its categories are the people, or the sequences, that it is of.

    Args:
        points: how many of a hand, drawn at random, or repeated if there are fewer.
        seed, training: see Stored.

    Raises:
        ValueError: a number that is out of range.
    """

    def __init__(self, points: int, seed: int, training: bool) -> None:
        require_counts(points=points)
        super().__init__(seed, training)
        self.points = points

    @abstractmethod
    def read(self, index: int) -> HandFrame:
        """The whole frame that an item is drawn from."""

    def load(self, index: int, rng: np.random.Generator) -> Loaded:
        frame = self.read(index)
        try:
            return frame, None if frame.depth is None else frame.points()
        except ValueError as error:
            raise ValueError(f"{self.name(index)}: {error}") from error

    def draw(self, loaded: Loaded, rng: np.random.Generator) -> dict[str, Any]:
        """All in millimetres, in the axes of the camera:

        - points: (points, 3) float32, of the hand, where there is depth,
        - joints: (21, 3) float32, in our order, 0 where there is none,
        - joint_mask: (21,) bool, which there are,
        - side: "left", "right" or "unknown",
        - image: the path of the colour image, where there is one.
        """
        frame, points = loaded
        joints, there = frame.canonical
        item: dict[str, Any] = {
            "joints": torch.from_numpy(np.where(there[:, None], joints, 0).astype(np.float32)),
            "joint_mask": torch.from_numpy(there),
            "side": frame.side,
        }
        if points is not None:
            item["points"] = torch.from_numpy(points[rows_drawn(len(points), self.points, rng)])
        if frame.image is not None:
            item["image"] = str(frame.image)
        return item


def last_left_out(root: Path, people: list[str], training: bool, wanted: Wanted) -> list[str]:
    """Whom of the people of a data set to train on, all but the last, or to measure on.

    Raises ValueError where there is one alone, and not all is to be measured on.
    """
    if len(people) < 2 and wanted.holdout < 1:
        raise ValueError(f"{root}: it holds one person only, {people[0]}, and none to measure on")
    return people[:-1] if training else people[-1:]
