"""Whether depth has another unit than it was taken for, which hands tell: all are about as large.

Cameras of short reach give steps of an eighth of a millimetre. Read as millimetres, all is farther
away than anybody holds up a hand, and a hand so large that one of its fingers is taken for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from nvc3d.commands.posing.frames import Frame
from nvc3d.geometry.hand_finding import FoundHand
from nvc3d.tasks.hand_pose import HandPoseAnswer

EIGHTH = 0.125
FAR = 1500.0
"""From so many mm on a hand is farther away than hands are."""
SURE = 0.5
"""The unit is another if with that the model expects to err by less than this share."""


def doubt(
    frame: Frame,
    hand: FoundHand,
    answer: HandPoseAnswer,
    answering: Callable[[FoundHand], HandPoseAnswer],
) -> None:
    """Warn where a hand is far away, and would be near with an eighth of the unit; where the model
    then knows its joints much better, raise ValueError."""
    if hand.centre[2] < FAR:
        return
    near = _nearest(frame, EIGHTH)
    if near is None:
        return
    here, there = (float(np.nanmean(own.expected_error)) for own in (answer, answering(near)))
    said = (
        f"what was taken for a hand is {hand.centre[2] / 1000:.1f} m away; with an eighth of the "
        f"unit there is one at {near.centre[2] / 1000:.2f} m, and the model expects to err by "
        f"{there:.0f} mm rather than {here:.0f}: cameras such as the SR300 have --unit 0.000125"
    )
    if there < SURE * here:
        raise ValueError(said)
    warnings.warn(said, stacklevel=2)


def larger(frame: Frame) -> str:
    """What to say where no hand was found, and eight times as large there is one; else nothing."""
    found = _nearest(frame, 1 / EIGHTH)
    if found is None:
        return ""
    return f"; with eight times the unit there is a hand at {found.centre[2] / 1000:.2f} m"


def _nearest(frame: Frame, factor: float) -> FoundHand | None:
    """The nearest hand, in reach, where all is so many times as large."""
    try:
        found = frame.scaled(factor).hands(1)[0]
    except ValueError:
        return None
    return found if found.centre[2] < FAR else None
