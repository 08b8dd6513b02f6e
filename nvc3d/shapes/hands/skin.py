"""A hand with skin: a closed mesh that follows the bones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.shapes.hands.flesh import Flesh
from nvc3d.shapes.hands.nets import surface_of
from nvc3d.shapes.hands.people import make_skeleton
from nvc3d.shapes.hands.skeleton import Pose, Skeleton, chained, placed, turns
from nvc3d.shapes.hands.vectors import dot

Floats = NDArray[np.float64]

_CELL = 0.026  # of a hand's length: some 2,400 vertices
_KEPT = 256


@dataclass(frozen=True, eq=False)
class Hand:
    """A person's right hand.

    Args:
        skeleton: its bones.
        vertices: (V, 3) in mm, of its skin when it is flat, in the skeleton's axes.
        faces: (F, 3), counter-clockwise seen from outside; the mesh is closed.
        weights: (V, 16), by how much each vertex follows the palm and each finger's three bones.
    """

    skeleton: Skeleton
    vertices: Tensor
    faces: Tensor
    weights: Tensor

    def to(self, target: torch.device | torch.dtype) -> Hand:
        """The same on another device, or of another dtype."""
        vertices, weights = self.vertices.to(target), self.weights.to(target)
        faces = self.faces.to(vertices.device)
        return Hand(self.skeleton.to(target), vertices, faces, weights)


@lru_cache(maxsize=_KEPT)
def make_hand(seed: int) -> Hand:
    """Make a person's hand: the same seed gives the same on every machine, float64.

    Raises ValueError on a seed that is not a whole number of 0 or more.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number of 0 or more, got {seed!r}")
    skeleton = make_skeleton(seed)
    flesh = Flesh(skeleton)
    reach = float(skeleton.base[2, 1] + skeleton.lengths[2].sum())
    vertices, faces = surface_of(flesh, *flesh.box, _CELL * reach)
    vertices = np.round(vertices, 4) + 0.0
    weights = np.round(_weights(skeleton, vertices), 6)
    return Hand(skeleton, *map(torch.from_numpy, (vertices, faces, weights)))


def surface(hand: Hand, pose: Pose) -> Tensor:
    """The vertices (..., V, 3) of a hand's skin in a pose."""
    return placed(bent(hand, pose.angles)[1], pose)


def bent(hand: Hand, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Joints (..., 21, 3) and vertices (..., V, 3) of a hand whose wrist stays where it is.

    Each vertex is moved as the bones that it follows, by a mean of their motions (linear blend
    skinning).
    """
    skeleton = hand.skeleton
    joints, frames = turns(skeleton, angles)
    rest = chained(skeleton, skeleton.frames[:, None].expand(5, 3, 3, 3))  # of no batch: (21, 3)
    turn = frames @ skeleton.frames[:, None].transpose(-1, -2)  # (..., 5, 3, 3, 3)
    starts, before = (x[..., 1:, :].unflatten(-2, (5, 4))[..., :3, :] for x in (joints, rest))
    shift = starts - (turn @ before[..., None])[..., 0]  # (..., 5, 3, 3)
    motions = torch.cat([turn, shift[..., None]], -1).flatten(-4, -3)  # (..., 15, 3, 4)
    still = torch.eye(3, 4, dtype=motions.dtype, device=motions.device)
    motions = torch.cat([still.expand(*motions.shape[:-3], 1, 3, 4), motions], -3)
    blended = (hand.weights @ motions.flatten(-2)).unflatten(-1, (3, 4))  # (..., V, 3, 4)
    moved = (blended[..., :3] * hand.vertices[:, None]).sum(-1) + blended[..., 3]
    return joints, moved


def _weights(skeleton: Skeleton, vertices: Floats) -> Floats:
    """The weights (V, 16) of the palm and of each finger's bones."""
    weights = np.zeros((len(vertices), 16))
    shares = _nearness(skeleton, vertices)  # (V, 5)
    for finger in range(5):
        along = skeleton.frames[finger, :, 1].numpy()
        lengths, girths = skeleton.lengths[finger].numpy(), skeleton.girths[finger].numpy()
        way = dot(vertices - skeleton.base[finger].numpy(), along)
        at = np.cumsum([0.0, *lengths])
        # The flesh of the palm reaches over a finger's first joint, and over a thumb's further.
        ahead, behind = (1.6, 0.8) if finger == 0 else (1.4, 0.6)
        first = _step(way, -behind * girths[0], ahead * girths[0])
        second, third = (_step(way, at[i] - girths[i], at[i] + girths[i]) for i in (1, 2))
        share = shares[:, finger]
        weights[:, 0] += share * (1 - first)
        own = (first * (1 - second), first * second * (1 - third), first * second * third)
        weights[:, 1 + 3 * finger : 4 + 3 * finger] = share[:, None] * np.stack(own, 1)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _nearness(skeleton: Skeleton, vertices: Floats) -> Floats:
    """How much of each vertex (V, 5) is each finger's: nearly all the nearest one's."""
    shares = []
    for base, frame, lengths, girths in zip(
        skeleton.base.numpy(),
        skeleton.frames.numpy(),
        skeleton.lengths.numpy(),
        skeleton.girths.numpy(),
        strict=True,
    ):
        away = vertices - base
        way = dot(away, frame[:, 1]).clip(None, lengths.sum())
        away = away - way[:, None] * frame[:, 1]
        nearness = girths[0] ** 2 / (dot(away, away) + 1)
        shares.append(nearness * nearness * nearness)
    total = np.stack(shares, 1)
    return np.asarray(total / total.sum(1, keepdims=True))


def _step(value: Floats, low: float, high: float) -> Floats:
    """0 up to low, 1 from high on, smooth between them."""
    share = ((value - low) / (high - low)).clip(0, 1)
    return np.asarray(share * share * (3 - 2 * share))
