"""A hand as round cones: the flesh around its bones, however they are bent."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.shapes.hands.people import TIP
from nvc3d.shapes.hands.skeleton import Skeleton

FINGERS = 15
"""How many of the cones are of fingers, three of each; the others make the palm."""

# Of the hand's breadth: where the metacarpals begin, the index finger's first; from the roots of
# the long fingers to the pad below them; from the last metacarpal's start, and from the little
# finger's root, to the ends of what lies along the edge of the palm.
_WRIST = ((0.24, 0.06, 0.0), (0.06, 0.06, 0.0), (-0.10, 0.06, 0.0), (-0.25, 0.06, 0.0))
_PAD, _HEEL, _EDGE = (0.0, -0.14, 0.05), (0.0, 0.25, 0.08), (0.0, -0.25, 0.12)
_BALL = (0.9, 1.6, 1.6)  # times a thumb's root: where the ball of the thumb begins


class Cones(NamedTuple):
    """Round cones: balls that move from a start to an end, and grow or shrink on their way."""

    starts: Tensor  # (..., C, 3)
    ends: Tensor  # (..., C, 3)
    first: Tensor  # (..., C), the radii at the starts
    last: Tensor  # (..., C), and at the ends


def cones(skeleton: Skeleton, joints: Tensor, frames: Tensor) -> Cones:
    """The cones of hands whose wrists stay where they are: three of each finger, from the thumb to
    the little one, then metacarpals, webs, the pad below the fingers, the balls of the thumb and of
    the little finger, and what is between thumb and index finger.

    Args:
        skeleton: the bones, of each hand its own.
        joints, frames: as `turns` gives them.
    """
    girths, lengths = skeleton.girths, skeleton.lengths
    breadth = skeleton.base[..., 1, 0] - skeleton.base[..., 4, 0]

    def places(*shares: tuple[float, float, float]) -> Tensor:
        return breadth[..., None, None] * breadth.new_tensor(shares)

    def radii(*shares: float) -> Tensor:
        return breadth[..., None] * breadth.new_tensor(shares)

    fingers, along = joints[..., 1:, :].unflatten(-2, (5, 4)), frames[..., 1]
    reach = lengths[..., 2:] + TIP - girths[..., 3:]
    tips = fingers[..., 2:3, :] + (reach * along[..., 2, :])[..., None, :]
    long = torch.cat([fingers[..., 1:3, :], tips], -2)  # (..., 5, 3, 3)

    roots, first_bones = fingers[..., 0, :], lengths[..., :1] * along[..., 0, :]
    thumb_root, index_root, little_root = (roots[..., i : i + 1, :] for i in (0, 1, 4))
    wrist, pad, heel, edge = places(*_WRIST), places(_PAD), places(_HEEL), places(_EDGE)
    beyond = roots + 0.30 * first_bones
    thumb = thumb_root + 0.75 * first_bones[..., :1, :]
    index = thumb_root + 0.75 * (index_root - thumb_root)
    ball = thumb_root * breadth.new_tensor(_BALL)
    starts = (wrist, beyond[..., 1:4, :], index_root + pad, ball, wrist[..., 3:, :] + heel, thumb)
    ends = (
        roots[..., 1:, :],
        beyond[..., 2:, :],
        little_root + pad,
        thumb,
        little_root + edge,
        index,
    )
    first = (radii(*[0.25] * 4), 0.75 * girths[..., 1:4, 0], radii(0.19, 0.24, 0.20, 0.10))
    last = (1.16 * girths[..., 1:, 0], 0.75 * girths[..., 2:, 0], radii(0.16, 0.17, 0.16, 0.10))
    return Cones(
        torch.cat([fingers[..., :3, :].flatten(-3, -2), *starts], -2),
        torch.cat([long.flatten(-3, -2), *ends], -2),
        torch.cat([girths[..., :3].flatten(-2), *first], -1),
        torch.cat([girths[..., 1:].flatten(-2), *last], -1),
    )
