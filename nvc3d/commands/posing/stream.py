"""A hand followed through the frames of a stream."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import NamedTuple

from nvc3d.commands.posing.frames import Floats, Frame
from nvc3d.geometry.hand_finding import FoundHand, NoHand
from nvc3d.geometry.one_euro import OneEuro
from nvc3d.tasks.hand_pose import HandPoseAnswer

Answering = Callable[[FoundHand, str | None], HandPoseAnswer]

CUTOFF, BETA = 2.0, 0.01
"""Of the filter: Hz at rest, and by how many Hz it rises with a joint's speed in mm a second."""
UNDECIDED = 10
"""From so many frames on the hand stays the one that it was taken for most often."""


class Step(NamedTuple):
    """A frame of a stream."""

    hand: FoundHand
    answer: HandPoseAnswer
    searched: bool
    """whether the hand was looked for in all of it, as in the first, and after it was lost"""


@dataclass
class Follower:
    """Where the hand is, and what is known of it.

    Args:
        answering: (hand, side) -> its joints; the side None: either.
        side: which hand it is; None: to be seen.
        rate: frames a second.
    """

    answering: Answering
    side: str | None
    rate: float
    _centre: Floats | None = None
    _filter: OneEuro = field(default_factory=lambda: OneEuro(CUTOFF, BETA))
    _sides: Counter[str] = field(default_factory=Counter)

    def next(self, frame: Frame) -> Step | None:
        """The hand of the next frame, with its joints filtered; None where there is none.

        Raises what `answering` raises.
        """
        hand = None if self._centre is None else frame.hand_near(self._centre)
        searched = hand is None
        if hand is None:
            self._centre, self._filter = None, OneEuro(CUTOFF, BETA)
            try:
                hand = frame.hands(1)[0]
            except NoHand:
                return None
        self._centre = hand.centre
        answer = self.answering(hand, self._known_side())
        self._sides[answer.side] += 1
        joints = self._filter(answer.joints, 1 / self.rate)
        return Step(hand, replace(answer, joints=joints, samples=joints[None]), searched)

    def _known_side(self) -> str | None:
        if self.side is None and self._sides.total() >= UNDECIDED:
            return self._sides.most_common(1)[0][0]
        return self.side


@dataclass
class Times:
    """How many seconds frames took, by what was done with the hand."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def measured(self) -> Iterator[list[str]]:
        """Measure a frame; what was done in it is put into the list that is given. Frames of which
        nothing is said are left out."""
        start, kinds = perf_counter(), list[str]()
        yield kinds
        for kind in kinds:
            self.seconds[kind].append(perf_counter() - start)

    def __str__(self) -> str:
        return ", ".join(
            f"{len(some) / sum(some):.1f} a second with the hand {kind} ({len(some)} frames)"
            for kind, some in self.seconds.items()
        )
