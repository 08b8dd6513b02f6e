"""People: bones and girths of adult hands, as differently long, broad and thick as people's are.

All are shares of a hand's length, from the wrist to the tip of the middle finger, near those that
Buchholz, Armstrong and Goldstein measured: "Anthropometric data for describing the kinematics of
the human hand", Ergonomics 1992.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.hands.skeleton import Skeleton
from nvc3d.shapes.hands.vectors import dot, unit

Floats = NDArray[np.float64]

HAND_LENGTHS = (160.0, 210.0)
"""The shortest and the longest hand in mm."""
TIP = 3.0
"""How far the skin lies beyond the joint called tip, in mm."""
# Thumb to little finger: the first joint of each.
_BASE = (
    (0.115, 0.125, 0.045),
    (0.135, 0.447, 0.006),
    (0.020, 0.452, 0.000),
    (-0.090, 0.422, 0.004),
    (-0.182, 0.370, 0.020),
)
_LENGTHS = (
    (0.215, 0.182, 0.140),
    (0.243, 0.138, 0.098),
    (0.262, 0.162, 0.106),
    (0.242, 0.156, 0.105),
    (0.192, 0.114, 0.094),
)
_GIRTHS = (
    (0.070, 0.062, 0.057, 0.047),
    (0.061, 0.051, 0.044, 0.038),
    (0.061, 0.052, 0.045, 0.039),
    (0.059, 0.049, 0.042, 0.037),
    (0.054, 0.044, 0.038, 0.033),
)
# In degrees: how far each long finger leans to the thumb's side, and rolls about itself, so that
# bent fingers meet.
_LEAN = (8.0, 0.0, -7.0, -16.0)
_ROLL = (3.0, 0.0, -4.0, -9.0)
_THUMB_POINTS = (0.55, 0.70, 0.46)
_THUMB_FACES = (-0.70, 0.10, 0.70)


def make_skeleton(seed: int) -> Skeleton:
    """The bones of a person: the same seed gives the same on every machine, float64."""
    draw = Draw("hand", seed)
    low, high = HAND_LENGTHS
    length = low + (high - low) * sum(draw.between(0, 1) for _ in range(3)) / 3
    fingers, breadth, girth = _about_1(draw, 0.05), _about_1(draw, 0.07), _about_1(draw, 0.12)
    base = np.array(_BASE) * [breadth, 2 - fingers, 1.0]
    lengths = np.array(_LENGTHS) * fingers
    girths = np.array(_GIRTHS) * girth * breadth
    for finger in range(5):
        lengths[finger] *= _about_1(draw, 0.05)
        lengths[finger] *= [_about_1(draw, 0.05) for _ in range(3)]
        girths[finger] *= _about_1(draw, 0.04)
        base[finger] *= [_about_1(draw, 0.04) for _ in range(3)]
    reach = base[2, 1] + lengths[2].sum()
    size = (length - TIP) / reach
    frames = np.stack([_thumb(draw), *(_long(i, draw) for i in range(4))])
    values = (base * size, frames, lengths * size, girths * size)
    return Skeleton(*(torch.from_numpy(np.round(value, 6)) for value in values))


def _about_1(draw: Draw, reach: float) -> float:
    """A number near 1, at most `reach` from it, the nearer the likelier."""
    return 1 + reach * (draw.between(-1, 1) + draw.between(-1, 1)) / 2


def _long(number: int, draw: Draw) -> Floats:
    lean = math.radians(_LEAN[number] + draw.between(-2, 2))
    roll = math.radians(_ROLL[number] + draw.between(-2, 2))
    along = np.array([math.sin(lean), math.cos(lean), 0.0])
    return _frame(along, np.array([-math.sin(roll), 0.0, math.cos(roll)]))


def _thumb(draw: Draw) -> Floats:
    along = np.array([value + draw.between(-0.05, 0.05) for value in _THUMB_POINTS])
    return _frame(along, np.array(_THUMB_FACES))


def _frame(along: Floats, facing: Floats) -> Floats:
    """The axes (3, 3), in columns, of a finger that points somewhere, its pad to one side."""
    along = unit(along)
    facing = unit(facing - dot(facing, along) * along)
    return np.stack([np.cross(along, facing), along, facing], 1)
