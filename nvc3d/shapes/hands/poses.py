"""How hands are held: what joints allow, everyday gestures, and random poses between them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.shapes.hands.skeleton import Skeleton, turns
from nvc3d.shapes.hands.touch import depth_of_touch

Floats = NDArray[np.float64]

# Thumb, then the others: the least and the most of each of `skeleton.ANGLES`, in degrees.
_THUMB = ((-20, 50), (-40, 35), (-10, 60), (-15, 80))
_LONG = ((-20, 90), (-25, 25), (0, 108), (-5, 78))
LIMITS: Floats = np.array([_THUMB, _LONG, _LONG, _LONG, _LONG], np.float64)
"""(5, 4, 2), what the joints of each finger allow, in degrees."""
COUPLED = 2 / 3
"""How much of its second joint's bending a long finger's third joint follows with."""

_Finger = tuple[float, float, float]  # flexion, spread, second; the third follows
_STRAIGHT = (0.0, 0.0, 0.0)
_CURLED = (78.0, 0.0, 100.0)
_HALF = (40.0, 0.0, 45.0)
_LOOSE = (18.0, 0.0, 26.0)
_OUT = (-12.0, 8.0, 0.0, -5.0)
_BESIDE = (0.0, -32.0, 5.0, 5.0)
_ACROSS = (24.0, 3.0, 14.0, 68.0)
_FOLDED = (45.0, 9.0, 52.0, 68.0)
_AGAINST = (35.0, -10.0, 0.0, 0.0)
_EASY = (5.0, -5.0, 12.0, 15.0)


def _held(thumb: tuple[float, ...], *fingers: _Finger) -> Floats:
    long = [(flexion, spread, second, COUPLED * second) for flexion, spread, second in fingers]
    return np.array([thumb, *long])


def _together(*fingers: _Finger) -> tuple[_Finger, ...]:
    """Side by side: the spread takes back what the fingers lean apart."""
    return tuple(
        (flexion, spread + lean, second)
        for (flexion, spread, second), lean in zip(fingers, (-12.0, -1.0, 9.0, 19.0), strict=True)
    )


GESTURES: dict[str, Floats] = {
    "open": _held(_OUT, _STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT),
    "flat": _held(_BESIDE, *_together(*[_STRAIGHT] * 4)),
    "relaxed": _held(_EASY, *_together(_LOOSE, (24, 0, 30), (28, 0, 34), (30, 0, 36))),
    "fist": _held(_ACROSS, *_together(*[_CURLED] * 4)),
    "point": _held(_ACROSS, _STRAIGHT, _CURLED, _CURLED, _CURLED),
    "two": _held(_ACROSS, (0, 6, 0), (0, -6, 0), _CURLED, _CURLED),
    "three": _held(_ACROSS, (0, 4, 0), _STRAIGHT, (0, -4, 0), _CURLED),
    "four": _held(_FOLDED, _STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT),
    "gun": _held(_OUT, _STRAIGHT, _CURLED, _CURLED, _CURLED),
    "thumb_up": _held((-15, -10, 0, -10), *_together(*[_CURLED] * 4)),
    "call": _held(_OUT, _CURLED, _CURLED, _CURLED, _STRAIGHT),
    "horns": _held(_ACROSS, _STRAIGHT, _CURLED, _CURLED, _STRAIGHT),
    "pinch": _held(_AGAINST, (47, -3, 42), *[(45.0, 0.0, 50.0)] * 3),
    "ring": _held(_AGAINST, (48, -3, 42), (22, 0, 18), (10, 0, 10), (2, 0, 6)),
    "tripod": _held((42, -11, -4, -8), (50, -4, 42), (54, -2, 46), _HALF, _HALF),
    "cylinder": _held((22, -4, 10, 25), *_together(*[(42.0, 0.0, 48.0)] * 4)),
    "sphere": _held((10, 4, 10, 20), (32, 8, 38), (34, 0, 38), (34, -6, 38), (32, -12, 38)),
    "hook": _held(_BESIDE, *_together(*[(8.0, 0.0, 82.0)] * 4)),
    "bent": _held(_BESIDE, *[(70.0, 0.0, 8.0)] * 4),
}
"""By name, the angles (5, 4) of a hand in degrees."""
NAMES = (*GESTURES, "random")
"""What a pose is called; a random one is between gestures."""

_JITTER = np.array([10.0, 5.0, 12.0, 9.0])  # degrees, at most, of each of a finger's angles
_TOGETHER = 0.6  # of random hands: all fingers are between the same two gestures
_AHEAD = 0.3  # how much further a finger may be on the way than others
_TRIES = 8
_DEEP = 3.0  # mm that flesh gives way


def draw_angles(skeleton: Skeleton, name: str, rng: np.random.Generator) -> Floats:
    """The angles (5, 4), in radians, of a hand held as a name says, or nearly so, with no finger
    in another: of several tries the first that is free, else that with the least in one another.

    Raises ValueError on a name that is not known.
    """
    if name not in NAMES:
        raise ValueError(f"a pose must be one of {', '.join(NAMES)}, got {name!r}")
    tries = _random(rng) if name == "random" else _jittered(GESTURES[name], rng)
    angles = np.radians(within_limits(tries))
    with torch.no_grad():
        joints, _ = turns(skeleton, torch.from_numpy(angles))
    deep = depth_of_touch(skeleton, joints.numpy())
    free = np.flatnonzero(deep <= _DEEP)
    return np.asarray(angles[free[0] if len(free) else deep.argmin()])


def within_limits(degrees: Floats) -> Floats:
    """Angles (..., 5, 4) cut to what joints allow; bent fingers spread less and less."""
    cut = degrees.clip(LIMITS[..., 0], LIMITS[..., 1])
    straight = 1 - cut[..., 1:, 0].clip(0, None) / LIMITS[1:, 0, 1]
    most = LIMITS[1:, 1, 1] * (0.2 + 0.8 * straight)
    cut[..., 1:, 1] = cut[..., 1:, 1].clip(-most, most)
    return np.asarray(cut)


def _jittered(gesture: Floats, rng: np.random.Generator) -> Floats:
    """Tries (T, 5, 4) near a gesture: the whole hand a little more or less bent, and each joint."""
    whole = 1 + 0.15 * _even(rng, (_TRIES, 1, 1))
    return gesture * whole + _JITTER * _even(rng, (_TRIES, 5, 4))


def _random(rng: np.random.Generator) -> Floats:
    """Tries (T, 5, 4) on the way from one gesture to another, some fingers further than others;
    of some hands each finger is between gestures of its own."""
    known = np.stack(list(GESTURES.values()))  # (G, 5, 4)
    each = rng.integers(len(known), size=(2, _TRIES, 5))
    which = np.where(rng.random((_TRIES, 1)) < _TOGETHER, each[..., :1], each)
    first, second = known[which, np.arange(5)]  # (T, 5, 4) each
    share = rng.random((_TRIES, 1, 1)) + _AHEAD * _even(rng, (_TRIES, 5, 1))
    jitter = 1.3 * _JITTER * _even(rng, (_TRIES, 5, 4))
    return np.asarray(first + share.clip(0, 1) * (second - first) + jitter)


def _even(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.asarray(2 * rng.random(shape) - 1)
