"""Points of hands with their joints: built-in hands, or those of a data set."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Subset

from nvc3d.data.draws import resample
from nvc3d.data.epochs import Epochs
from nvc3d.data.hands import Hands
from nvc3d.data.hands.builtin import BuiltinHands
from nvc3d.data.hands.kept import KeptHands
from nvc3d.data.registry import Wanted, find
from nvc3d.tasks.hand_pose.config import HandPoseConfig
from nvc3d.tasks.task import Splits
from nvc3d.tasks.vocabulary import Vocabulary

TEST_FRAMES = 1000
"""How many built-in hands are measured on."""
CAMERA = "msra"
"""Of 320 x 240 pixels, which are drawn in half the time and show more points than are used."""
MORE = 2
"""Points drawn for each that is left, so that enough are after a crop."""
SCALE = 0.1
"""Largest part by which a hand grows or shrinks in training."""
CUBE = 250.0
"""Width of the cube that is cut out in training, mm."""
SHIFT = 15.0
"""Standard deviation of the crop's centre in training, mm."""
THINNED = 0.5
"""Largest part of the points that is left out in training."""
LASTING = 4
"""Epochs for which a built-in hand of training is kept, each time augmented anew."""


def data(config: HandPoseConfig) -> Splits:
    """The hands to train on, new in each epoch, and those to measure on, which stay.

    Raises ValueError or FileNotFoundError where the folder holds no data set of hands, or one
    without depth images.
    """
    drawn = MORE * config.points if config.augment else config.points
    if config.data is None:
        shown = _shown(config)
        test = BuiltinHands(config.points, config.seed, False, count=TEST_FRAMES, **shown)
        epochs = LASTING if config.augment else 1
        train: Hands = KeptHands(drawn, config.seed, epochs=epochs, count=config.frames, **shown)
    else:
        known = find(config.data, "hands")
        if known is None:
            raise ValueError(
                f"{config.data} holds no data set of hands that is known; docs/data.md lists them"
            )
        folder, wanted = Path(config.data), (config.seed, config.holdout)
        test = known.open(folder, False, Wanted(*wanted, config.points))
        if len(test) and test.read(0).depth is None:
            raise ValueError(
                f"{config.data} holds {known.name}, which has no depth images: the joints are told "
                "by the points that a depth camera sees"
            )
        if config.holdout == 1:
            val = HandClouds(test, config, training=False)
            return Splits(Subset(val, []), val, Vocabulary(test.categories))
        train = known.open(folder, True, Wanted(*wanted, drawn))
    return Splits(
        HandClouds(train, config, training=True),
        HandClouds(test, config, training=False),
        Vocabulary(test.categories),
    )


def _shown(config: HandPoseConfig) -> dict[str, Any]:
    """What of built-in hands is in view, and by which camera."""
    shares = {name: getattr(config, name) for name in ("noise", "arm", "object", "other")}
    return {**shares, "side": "both", "camera": CAMERA}


class HandClouds(Dataset[dict[str, Any]]):
    """The items of a data set of hands, those of training as other looks might give them.

    All randomness of an item comes from (seed, epoch, index) alone.
    """

    def __init__(self, hands: Hands, config: HandPoseConfig, training: bool) -> None:
        self.hands, self.points = hands, config.points
        self.augment = config.augment and training
        # Not of the seed itself, of which the points are drawn.
        self._epochs = Epochs(config.seed + 1, training)

    def set_epoch(self, epoch: int) -> None:
        """Choose the hands of the epoch to come; of no effect outside of training."""
        self.hands.set_epoch(epoch)
        self._epochs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.hands)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as a dict of

        - points: (points, 3) float32, mm before the camera,
        - joints: (21, 3) float32, likewise, 0 where they are not known,
        - joint_mask: (21,) bool, which are known,
        - left: () bool, whether it is known to be a left hand,
        - label: () int64, the index of its group, and name: str.
        """
        item = self.hands[operator.index(index)]
        points, joints, mask = item["points"], item["joints"], item["joint_mask"]
        if self.augment:
            rng = self._epochs.rng(range(len(self))[operator.index(index)])
            points, joints = map(
                torch.from_numpy, augmented(points.numpy(), joints.numpy(), self.points, rng)
            )
            joints = torch.where(mask[:, None], joints, 0)
        return {
            "points": points,
            "joints": joints,
            "joint_mask": mask,
            "left": torch.tensor(item["side"] == "left"),
            "label": item["label"],
            "name": item["name"],
        }


def augmented(
    points: NDArray[np.float32],
    joints: NDArray[np.float32],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`count` of the points (N, 3) of a hand and its joints (21, 3), turned about the camera's axis
    and scaled about the hand's middle; of points those in a cube about a place beside the middle,
    thinned, but one at least."""
    middle = points.mean(0, dtype=np.float64)
    centre = middle + SHIFT * rng.standard_normal(3)
    inside = np.abs(points - centre).max(1) <= CUBE / 2
    kept = points[inside & (rng.random(len(points)) >= rng.uniform(0, THINNED))]
    angle, size = rng.uniform(-np.pi, np.pi), 1 + rng.uniform(-SCALE, SCALE)
    sine, cosine = np.sin(angle), np.cos(angle)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])

    def moved(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return (((rows - middle) * size + middle) @ turn.T).astype(np.float32)

    drawn = resample(kept if len(kept) else points[:1], count, rng)
    return moved(drawn), moved(joints)
