"""How deep the fingers of a hand are in one another and in the palm."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from nvc3d.shapes.hands.skeleton import Skeleton
from nvc3d.shapes.hands.vectors import dot

Floats = NDArray[np.float64]

_FINGER = 10  # balls along a finger: at its joints, and two between each two
_PALM = 3  # balls along each metacarpal
_PALM_GIRTH = 0.17  # of the hand's breadth


def balls(skeleton: Skeleton, joints: Floats) -> tuple[Floats, Floats]:
    """Balls that fill a hand: their middles (..., B, 3) and radii (B,), in mm.

    Args:
        skeleton: the hand's.
        joints: (..., 21, 3), where they are.
    """
    fingers = joints[..., 1:, :].reshape(*joints.shape[:-2], 5, 4, 3)
    girths = skeleton.girths.numpy()
    share = np.arange(_FINGER) / 3
    bone = np.minimum(share.astype(np.int64), 2)
    part = share - bone
    along = fingers[..., bone, :] * (1 - part[:, None]) + fingers[..., bone + 1, :] * part[:, None]
    radii = girths[:, bone] * (1 - part) + girths[:, bone + 1] * part
    away = np.arange(1, _PALM + 1)[:, None] / (_PALM + 1)
    wrist, roots = joints[..., :1, None, :], fingers[..., 1:, :1, :]
    palm = wrist * (1 - away) + roots * away  # (..., 4, P, 3)
    breadth = float(skeleton.base[1, 0] - skeleton.base[4, 0])
    middles = np.concatenate(
        [part.reshape(*joints.shape[:-2], -1, 3) for part in (along, palm)], -2
    )
    return middles, np.concatenate([radii.ravel(), np.full(4 * _PALM, _PALM_GIRTH * breadth)])


def depth_of_touch(skeleton: Skeleton, joints: Floats) -> Floats:
    """How deep the deepest ball of hands (..., 21, 3) is in one that it may only touch, (...)."""
    middles, radii = balls(skeleton, joints)
    first, second = _pairs()
    away = middles[..., first, :] - middles[..., second, :]
    apart = np.sqrt(dot(away, away))
    return np.asarray((radii[first] + radii[second] - apart).max(-1))


@cache
def _pairs() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of two balls each, those that may not be in one another."""
    finger = np.repeat(np.arange(6), [_FINGER] * 5 + [4 * _PALM])  # 5 is the palm
    at = np.concatenate([np.tile(np.arange(_FINGER), 5), np.zeros(4 * _PALM, np.int64)])
    first, second = np.triu_indices(len(finger), 1)
    other = finger[first] != finger[second]
    # The webs join the roots of fingers; a finger's root, and a thumb's, is in the palm.
    free = np.where(finger[first] == 0, at[first] >= 5, at[first] >= 3)
    beyond = (at[first] >= 2) | (at[second] >= 2)
    wanted = other & np.where(
        finger[second] == 5, free, beyond & ((finger[first] > 0) | (at[first] >= 4))
    )
    return first[wanted], second[wanted]
