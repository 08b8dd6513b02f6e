"""How hands usually are: the bones that people have and how they hold them, as normal
distributions of many that are built in."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nvc3d.shapes.hands.people import make_skeleton
from nvc3d.shapes.hands.poses import GESTURES, NAMES, draw_angles
from nvc3d.shapes.hands.skeleton import Skeleton

PEOPLE, POSES = 400, 1000
"""From how many both are told."""
OTHERS = 1 << 62
"""The first of those people, whom no data set has."""
_AS_MM = (50.0, 10.0)
"""Millimetres that weigh as much as all of a bone's length, and of a girth."""


class Usual(NamedTuple):
    """A normal distribution of values (N,): their mean, and how they move (K, N) with each of K
    independent numbers of mean 0 and deviation 1."""

    mean: Tensor
    axes: Tensor

    def __call__(self, numbers: Tensor) -> Tensor:
        """The values (..., N) of numbers (..., K)."""
        return self.mean + numbers @ self.axes


@lru_cache
def usual_angles() -> Usual:
    """Of the angles of a hand, 20 in the order of `Pose.angles`, by as many numbers."""
    rng, skeleton = np.random.default_rng(0), make_skeleton(OTHERS)
    names = [name for gesture in GESTURES for name in (gesture, NAMES[-1])]
    drawn = [draw_angles(skeleton, names[i % len(names)], rng).ravel() for i in range(POSES)]
    values = torch.from_numpy(np.stack(drawn))
    return Usual(values.mean(0), torch.linalg.cholesky(values.T.cov()).mT)


@lru_cache
def _people() -> Skeleton:
    """The skeletons of them all, in one."""
    every = [make_skeleton(OTHERS + person) for person in range(PEOPLE)]
    names = ("base", "frames", "lengths", "girths")
    return Skeleton(*(torch.stack([getattr(own, name) for own in every]) for name in names))


@lru_cache
def usual_bones(count: int) -> Usual:
    """Of bones, as `as_skeleton` takes them, by the `count` numbers that say most of them."""
    people = _people()
    lengths, girths = _AS_MM[0] * people.lengths.log(), _AS_MM[1] * people.girths.log()
    values = torch.cat([part.flatten(1) for part in (people.base, lengths, girths)], 1)
    mean = values.mean(0)
    _, spread, ways = torch.linalg.svd(values - mean, full_matrices=False)
    return Usual(mean, (spread / PEOPLE**0.5)[:count, None] * ways[:count])


@lru_cache
def _frames() -> Tensor:
    """How fingers stand when nothing is bent, (5, 3, 3): the rotations next to the mean."""
    left, _, right = torch.linalg.svd(_people().frames.mean(0))
    return left @ right


def as_skeleton(bones: Tensor) -> Skeleton:
    """Skeletons of bones (..., 50): where fingers begin, and logarithms of lengths and girths."""
    base, lengths, girths = bones.split([15, 15, 20], -1)
    return Skeleton(
        base.unflatten(-1, (5, 3)),
        _frames().to(bones).expand(*bones.shape[:-1], 5, 3, 3),
        (lengths / _AS_MM[0]).exp().unflatten(-1, (5, 3)),
        (girths / _AS_MM[1]).exp().unflatten(-1, (5, 4)),
    )
