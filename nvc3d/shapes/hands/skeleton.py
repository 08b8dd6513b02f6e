"""The bones of a hand, and where its joints are when they are bent.

Built-in hands and hands that are fitted to points move by the same functions, which carry
gradients. The axes are those of a right hand: the wrist at 0, x to the side of the thumb, y to the
fingers, z out of the palm.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

ANGLES = ("flexion", "spread", "second", "third")
"""What a finger's four angles are: the bending of its first joint, its turn to the side of the
thumb, and the bending of its second and third joint."""
TWIST = -1.0
"""How far a thumb turns about itself for each degree that its first joint bends: its pad comes to
face the fingers."""


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The bones of a right hand, in mm; its fingers in the order of `hand_joints.FINGERS`.

    Args:
        base: (5, 3), where each finger's first joint is.
        frames: (5, 3, 3), how each finger stands when nothing is bent; the columns are its axis of
            bending, where it points to, and where its pad faces.
        lengths: (5, 3), of its bones: of a thumb metacarpal, proximal and distal, of the others
            proximal, middle and distal, to the joint called tip, 3 mm below the skin.
        girths: (5, 4), its radii at its joints.
    """

    base: Tensor
    frames: Tensor
    lengths: Tensor
    girths: Tensor

    def to(self, target: torch.device | torch.dtype) -> Skeleton:
        """The same on another device, or of another dtype."""
        return Skeleton(*(getattr(self, field.name).to(target) for field in fields(self)))


class Pose(NamedTuple):
    """How a hand is held; leading dimensions are those of a batch.

    Args:
        angles: (..., 5, 4) in radians, see `ANGLES`; 0 is a flat hand with its fingers apart.
        turn: (..., 3), the rotation vector of the whole hand about its wrist.
        place: (..., 3), where its wrist is, in mm.
        scale: (...), how much larger than its skeleton it is.
    """

    angles: Tensor
    turn: Tensor
    place: Tensor
    scale: Tensor

    @classmethod
    def rest(cls, *batch: int, dtype: torch.dtype = torch.float32) -> Pose:
        """The flat hand, neither turned nor moved."""
        angles = torch.zeros(*batch, 5, 4, dtype=dtype)
        turn, place = torch.zeros(2, *batch, 3, dtype=dtype)
        return cls(angles, turn, place, torch.ones(batch, dtype=dtype))


def joints(skeleton: Skeleton, pose: Pose) -> Tensor:
    """The 21 joints (..., 21, 3) of a hand, in the order of `hand_joints.JOINTS`."""
    own, _ = turns(skeleton, pose.angles)
    return placed(own, pose)


def placed(points: Tensor, pose: Pose) -> Tensor:
    """Points (..., N, 3) of a hand where the pose's turn, place and scale have them."""
    zero = torch.zeros_like(pose.turn[..., 0])
    x, y, z = pose.turn.unbind(-1)
    across = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    turn = torch.linalg.matrix_exp(across.unflatten(-1, (3, 3)))  # (..., 3, 3)
    turned = points @ turn.transpose(-1, -2)
    return turned * pose.scale[..., None, None] + pose.place[..., None, :]


def turns(skeleton: Skeleton, angles: Tensor) -> tuple[Tensor, Tensor]:
    """What the angles make of a hand whose wrist stays where it is.

    Args:
        skeleton: the bones.
        angles: (..., 5, 4), see `Pose`.

    Returns:
        The joints (..., 21, 3), and the axes (..., 5, 3, 3, 3) of each finger's three bones, as
        `Skeleton.frames` has them.
    """
    flexion, spread, second, third = angles.unbind(-1)  # (..., 5) each
    twist = torch.zeros_like(spread)
    twist[..., 0] = TWIST * flexion[..., 0]
    first = skeleton.frames @ _about(2, -spread) @ _about(0, flexion) @ _about(1, twist)
    middle = first @ _about(0, second)
    frames = torch.stack([first, middle, middle @ _about(0, third)], -3)  # (..., 5, 3, 3, 3)
    return chained(skeleton, frames), frames


def chained(skeleton: Skeleton, frames: Tensor) -> Tensor:
    """The joints (..., 21, 3) of a hand whose bones have those axes (..., 5, 3, 3, 3)."""
    bones = frames[..., 1] * skeleton.lengths[..., None]  # (..., 5, 3, 3)
    start = skeleton.base.expand(*bones.shape[:-3], 5, 3)[..., None, :]
    fingers = torch.cat([start, start + bones.cumsum(-2)], -2)  # (..., 5, 4, 3)
    wrist = torch.zeros_like(start[..., :1, 0, :])
    return torch.cat([wrist, fingers.flatten(-3, -2)], -2)


def _about(axis: int, angle: Tensor) -> Tensor:
    """The rotations (..., 3, 3) by angles (...) about one of the axes."""
    cos, sin, one, zero = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    rows = {
        0: (one, zero, zero, zero, cos, -sin, zero, sin, cos),
        1: (cos, zero, sin, zero, one, zero, -sin, zero, cos),
        2: (cos, -sin, zero, sin, cos, zero, zero, zero, one),
    }
    return torch.stack(rows[axis], -1).unflatten(-1, (3, 3))
