"""Built-in hands: people, poses and views, each made anew from a seed."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from nvc3d.data.hands.base import HandFrame, Hands, Loaded
from nvc3d.data.stored import require_counts
from nvc3d.geometry.intrinsics import CAMERAS
from nvc3d.shapes.hands.frame import View, draw_frame
from nvc3d.shapes.hands.poses import GESTURES, NAMES
from nvc3d.shapes.hands.skin import make_hand

Which = Literal["right", "left", "both"]

PEOPLE = 64
"""How many people there are to train on."""
OTHERS = 16
"""How many others there are to measure on."""


class BuiltinHands(Hands):
    """Frames of hands as a depth camera sees them, with exact joints.

    Every other item is a gesture, the gestures taking turns; its categories are their names. The
    others are "random", between gestures. Who is seen, how exactly the hand is
    held, turned and placed comes from (seed, training, epoch, index) alone, so in training every
    epoch has new frames; of a person they have the same bones. Whom is trained on and who is
    measured on are different people, and so are those of another seed.

    Args:
        points, seed: see Hands.
        training: frames are new in each epoch; otherwise fixed, and of other people.
        count: how many items there are.
        noise, arm, object, other: see `frame.View`; the share of frames that have it, True for all.
        side: "right", "left" or "both", each as often.
        camera: one of `intrinsics.CAMERAS`.

    Raises:
        ValueError: a number out of range, or an unknown side or camera.
    """

    categories = NAMES

    def __init__(
        self,
        points: int = 1024,
        seed: int = 0,
        training: bool = True,
        *,
        count: int = 2000,
        noise: float = False,
        arm: float = False,
        object: float = False,
        other: float = False,
        side: Which = "right",
        camera: str = "sr300",
    ) -> None:
        super().__init__(points, seed, training)
        require_counts(count=count)
        shares = {"noise": noise, "arm": arm, "object": object, "other": other}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {share!r}")
        if side not in get_args(Which):
            raise ValueError(f"side must be one of {', '.join(get_args(Which))}, got {side!r}")
        if camera not in CAMERAS:
            raise ValueError(f"camera must be one of {', '.join(CAMERAS)}, got {camera!r}")
        self.seed, self.count, self.side = seed, count, side
        self.view, self.camera = View(**shares), CAMERAS[camera]

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        split = "train" if self.training else "val"
        return f"{self._pose(index)}-{split}-{index:05d}"

    def label(self, index: int) -> int:
        return self.categories.index(self._pose(index))

    def read(self, index: int) -> HandFrame:
        return self._frame(index, self._epochs.rng(index))

    def load(self, index: int, rng: np.random.Generator) -> Loaded:
        frame = self._frame(index, rng)
        return frame, frame.points()

    def _pose(self, index: int) -> str:
        return "random" if index % 2 else tuple(GESTURES)[index // 2 % len(GESTURES)]

    def _frame(self, index: int, rng: np.random.Generator) -> HandFrame:
        person = int(rng.integers(PEOPLE if self.training else OTHERS))
        # As in BuiltinShapes: a residue for each split, a block of 2 ** 32 for each seed.
        hand = make_hand(2 * ((self.seed << 32) + person) + (not self.training))
        left = self.side == "left" or (self.side == "both" and rng.random() < 0.5)
        joints, depth = draw_frame(hand, self._pose(index), left, self.view, self.camera, rng)
        return HandFrame(joints, "canonical", self.camera, depth, "left" if left else "right")
