"""A hand with skin, fitted to what the network says and to the points that are seen."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from nvc3d.tasks.hand_pose.descent import Missed, descended, robust, usual
from nvc3d.tasks.hand_pose.fitted import (
    ANGLES,
    SIZE,
    hands_of,
    of_empty_space,
    of_points,
    with_slopes,
)
from nvc3d.tasks.hand_pose.palm import PALM, laid

SCHEDULE = ((None, 8), (4.0, 8), (2.0, 6), (1.0, 10))
"""One fit after the other: how many times as far off as in the end points and fingers may be, None
for a fit to the joints alone, and in how many steps."""
TRUSTED = 1.5
"""How many times the expected error is the deviation of joints."""
HELD = 1.2
"""How much more usual than built-in hands those are held that are fitted."""
OFF_SKIN, IN_THE_AIR = 1.5, 2.0
"""Deviations in mm: of points from the skin, and of fingers from where there is room for them."""
OTHER, UNSURE = 10.0, 1.0
"""Millimetres from the skin of a hand that is fitted to the joints alone, and how many times the
expected error, beyond which points are not of the hand, but of an arm, say, or of what it holds."""
JOINTS, SKIN, AIR = 3.5, 2.0, 3.0
"""How many deviations may be taken for what they are, and more for something else."""


def refined(points: Tensor, joints: Tensor, error: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """The joints (B, 21, 3) of hands with skin, fitted to joints (B, 21, 3) and points (B, P, 3),
    all in mm before the camera, and how badly they fit (B,), minus a logarithm of likelihood.

    A hand is made of round cones, as built-in hands are. How it is held, its bones and its girths
    are the likeliest by what is usual, by the joints with the errors (B, 21) that are expected of
    them, by the distances of points to the nearest skin that faces the camera, if they are near to
    any, and by the fingers that the camera would see where it sees none. Left hands (B,) are
    mirrored.

    (Round cones after Tkach, Pauly, Tagliasacchi, "Sphere-Meshes for Real-Time Hand Modeling and
    Tracking", TOG 2016.)
    """
    with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
        # A millimetre before the camera is seen by its sixth digit, and slopes take as many more.
        mirror = torch.ones_like(points[:, :1], dtype=torch.float64)  # (B, 1, 3)
        mirror[left, :, 0] = -1
        found, cloud, expected = joints * mirror, points * mirror, error.double()
        numbers = found.new_zeros(len(found), SIZE)
        flat = hands_of(numbers, torch.eye(3).to(found)).joints
        palm = torch.zeros_like(found[0, :, 0])  # (21,)
        palm[list(PALM)] = 1
        turn, middle = laid(flat, found, palm)
        own = (flat * palm[:, None]).sum(1) / palm.sum()
        numbers[:, -3:] = middle - (turn @ own[..., None])[..., 0]
        missed = partial(_missed, turn=turn, joints=found, error=expected, points=cloud)
        share = torch.zeros_like(cloud[..., 0])  # (B, P)
        limit = (UNSURE * expected.mean(1)).clamp_min(OTHER)
        for coarse, steps in SCHEDULE:
            numbers, misfit = descended(partial(missed, share=share, coarse=coarse), numbers, steps)
            if coarse is None:
                hands, slopes = with_slopes(numbers, turn)
                apart, _ = of_points(cloud, hands.cones, slopes.cones)
                share = (apart.abs() < limit[:, None]).to(cloud)
        return (hands_of(numbers, turn).joints * mirror).to(joints.dtype), misfit


def _missed(
    numbers: Tensor,
    turn: Tensor,
    joints: Tensor,
    error: Tensor,
    points: Tensor,
    share: Tensor,
    coarse: float | None,
) -> Missed:
    """How much hands miss what is usual, the joints (B, 21, 3), and, if those count, the points by
    their shares (B, P)."""
    hands, slopes = with_slopes(numbers, turn)
    weight = torch.ones_like(numbers[0])
    weight[:ANGLES], weight[-6:] = HELD, 0  # any turn and any place are as usual
    deviation = TRUSTED / 3**0.5 * error[..., None]
    result = usual(numbers, weight) + robust(
        (hands.joints - joints) / deviation, slopes.joints / deviation[..., None], JOINTS
    )
    if coarse is not None:
        values, slope = of_points(points, hands.cones, slopes.cones)
        skin = share * values, share[..., None] * slope
        air = of_empty_space(points, hands.cones, slopes.cones)
        for told, unit, reach in ((skin, OFF_SKIN, SKIN), (air, IN_THE_AIR, AIR)):
            values, slope = (own / (coarse * unit) for own in told)
            result += robust(values[..., None], slope[..., None, :], reach)
    return result
