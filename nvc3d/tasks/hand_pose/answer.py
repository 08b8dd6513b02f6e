"""The joints of a hand: points in, joints out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from nvc3d.atomic import atomic_write
from nvc3d.data.draws import resample
from nvc3d.files.written import numbered
from nvc3d.geometry.hand_joints import JOINTS
from nvc3d.geometry.mesh import Mesh, Shape
from nvc3d.tasks.hand_pose.config import HandPoseNet
from nvc3d.tasks.hand_pose.model import STARTS, HandPose, HandPoseModel
from nvc3d.tasks.task import evaluating
from nvc3d.viz.hands import DrawnHand, draw_hands

Side = Literal["right", "left"]
LEAST, MOST = 20.0, 500.0
"""Millimetres between which the extent of what is seen of a hand must be."""
WITHIN = 20.0
"""Of a joint's confidence: that its error is at most so many mm."""


@dataclass(frozen=True, eq=False)
class HandPoseAnswer:
    """The joints of a hand, in mm before the camera: x to the right, y down, z forward."""

    joints: NDArray[np.float64]
    """(21, 3), in the order of `names`; NaN where training told none"""
    expected_error: NDArray[np.float64]
    """(21,) mm: how far each is from the truth on average, as the model reckons; likewise NaN"""
    side: Side
    samples: NDArray[np.float64]
    """(samples, 21, 3): plausible answers, the first of them `joints`"""
    points: NDArray[np.float64]
    """(N, 3): those of the hand, mm"""
    names: tuple[str, ...] = JOINTS

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(21,): the probability that a joint is within 20 mm of the truth, as the model reckons;
        NaN where training told none."""
        # The distance is Gamma distributed, of shape 3 and mean `expected_error`.
        ratio = 3 * WITHIN / self.expected_error
        return np.asarray(1 - np.exp(-ratio) * (1 + ratio + ratio**2 / 2))

    def to_dict(self) -> dict[str, Any]:
        """The hand as JSON values; joints that are not known are left out."""
        known = np.flatnonzero(np.isfinite(self.joints).all(-1)).tolist()
        return {
            "side": self.side,
            "joints": {self.names[i]: np.round(self.joints[i], 3).tolist() for i in known},
            "confidence": {self.names[i]: round(float(self.confidence[i]), 4) for i in known},
        }

    def write(self, path: str | Path) -> list[Path]:
        """Write NAME.json, NAME.npy, joints (1, 21, 3), and NAME.png, the joints over the points;
        several samples as NAME-1, NAME-2, ... Gives the files written."""
        path = Path(path)
        written = []
        for target, joints in zip(numbered(path, len(self.samples)), self.samples, strict=True):
            own = HandPoseAnswer(joints, self.expected_error, self.side, joints[None], self.points)
            written += write_hands(target, [own])
        return written


def write_hands(path: str | Path, hands: Sequence[HandPoseAnswer]) -> list[Path]:
    """Write the hands of one image: NAME.json, NAME.npy with their joints (H, 21, 3), and NAME.png
    where there are any."""
    written = write_joints(path, hands)
    if hands:
        drawn = [DrawnHand(f"{hand.side} hand", hand.points, hand.joints) for hand in hands]
        written.append(draw_hands(Path(path).with_suffix(".png"), drawn))
    return written


def write_joints(path: str | Path, hands: Sequence[HandPoseAnswer]) -> list[Path]:
    """The same without the picture."""
    path = Path(path)
    values = {"unit": "mm", "hands": [hand.to_dict() for hand in hands]}
    with atomic_write(path.with_suffix(".json")) as file:
        file.write(json.dumps(values, indent=2).encode() + b"\n")
    joints = np.stack([hand.joints for hand in hands]) if hands else np.zeros((0, len(JOINTS), 3))
    with atomic_write(path.with_suffix(".npy")) as file:
        np.save(file, joints)
    return [path.with_suffix(".json"), path.with_suffix(".npy")]


def answer(
    model: HandPoseModel,
    config: HandPoseNet,
    shape: Shape,
    *,
    side: Side | None = None,
    centre: ArrayLike | None = None,
    cube: float = 250.0,
    samples: int = 1,
    refine: bool = False,
    seed: int = 0,
) -> HandPoseAnswer:
    """The joints of a hand by the points that are seen of it, before the camera, in mm unless the
    cloud has a unit.

    Args:
        side: which hand it is; None: that of which the model is surer.
        centre: (3,) mm, the middle of the hand: points outside of the cube around it are left out;
            None: all points are of the hand.
        cube: its width in mm.
        samples: how many plausible answers.
        refine: fit a built-in hand to the joints found and to the points, and give its joints.
        seed: of the points that are drawn, and of the answers.

    Raises ValueError where there are no points in the cube, where their extent is not that of a
    hand in mm, on more samples than the code has answers, and where there is nothing to refine.
    """
    if side not in (None, "right", "left"):
        raise ValueError(f"side must be right, left or None, got {side!r}")
    rng = np.random.default_rng(seed)
    points = _of_hand(_millimetres(shape, config.points, rng), centre, cube)
    with evaluating(model) as device:
        drawn = resample(points.astype(np.float32), config.points, rng)
        given = torch.from_numpy(drawn)[None].to(device)

        count = STARTS if refine and samples == 1 and model.several else samples

        def found(which: Side) -> list[HandPose]:
            left = torch.tensor([which == "left"], device=device)
            generator = torch.Generator().manual_seed(seed)
            return model.alternatives(given, left, count, generator)

        asked: tuple[Side, ...] = ("right", "left") if side is None else (side,)
        every = {which: found(which) for which in asked}
        sure = min(every, key=lambda which: float(every[which][0].log_scale[0].mean()))
        told = torch.cat([own.joints for own in every[sure]])  # (samples, 21, 3)
        reckoned = every[sure][0].expected_error  # (1, 21)
        if refine:
            left = torch.tensor([sure == "left"], device=device)
            each = [every[sure]] if samples == 1 else [[own] for own in every[sure]]
            told = torch.cat([model.refined(given, left, answers) for answers in each])
        known = model.learned.cpu().numpy()
        joints, error = told.double().cpu().numpy(), reckoned[0].double().cpu().numpy()
    joints = np.where(known[:, None], joints, np.nan)
    return HandPoseAnswer(joints[0], np.where(known, error, np.nan), sure, joints, points)


def _millimetres(shape: Shape, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    if isinstance(shape, Mesh):
        return shape.sample(count, rng)[0].astype(np.float64)
    scale = 1.0 if shape.unit is None else 1000 * shape.unit
    return np.asarray(shape.points, np.float64) * scale


def _of_hand(
    points: NDArray[np.float64], centre: ArrayLike | None, cube: float
) -> NDArray[np.float64]:
    """The points in the cube. Raises ValueError where they are none, or of no hand."""
    if centre is not None:
        middle = np.asarray(centre, np.float64)
        if middle.shape != (3,) or not np.isfinite(middle).all() or not cube > 0:
            raise ValueError(
                f"centre must be (3,) and finite, and cube positive, got {centre!r} and {cube!r}"
            )
        inside = np.abs(points - middle).max(1) <= cube / 2
        if not inside.any():
            x, y, z = middle
            raise ValueError(
                f"none of {len(points)} points lies within {cube / 2:g} mm of the centre, "
                f"({x:.0f}, {y:.0f}, {z:.0f}) mm"
            )
        points = points[inside]
    extent = float((points.max(0) - points.min(0)).max())
    if not LEAST <= extent <= MOST:
        raise ValueError(
            f"expected the points of a hand, {LEAST:g} to {MOST:g} mm across, got {extent:.3g} mm: "
            "a cloud in metres needs its unit, Cloud(points, unit=1.0), and one with more than a "
            "hand the centre of that"
        )
    return points
