"""Hands of round cones, held and grown as people's are, and how far they are from what is seen."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.shapes.hands import Pose, turns
from nvc3d.shapes.hands.cones import FINGERS, Cones, cones
from nvc3d.shapes.hands.skeleton import placed
from nvc3d.shapes.hands.usual import as_skeleton, usual_angles, usual_bones

ANGLES, BONES = 20, 8
"""How many numbers say how a hand is held, and how it is grown."""
SIZE = ANGLES + BONES + 6
"""How many say all of it: those, its turn, and its place."""
STEP = 1e-6
"""By how much each is changed to see what follows."""
TINY = 1e-9
BACK = 40.0
"""Millimetres farther away that the skin counts which faces away from the camera."""


class Hands(NamedTuple):
    """Joints (B, 21, 3) and cones of hands."""

    joints: Tensor
    cones: Cones


def hands_of(numbers: Tensor, laid: Tensor) -> Hands:
    """The hands that numbers (..., SIZE) say, first turned by `laid` (..., 3, 3)."""
    held, grown, turn, place = numbers.split([ANGLES, BONES, 3, 3], -1)
    skeleton = as_skeleton(usual_bones(BONES)(grown))
    joints, frames = turns(skeleton, usual_angles()(held).unflatten(-1, (5, 4)))
    own = cones(skeleton, joints, frames)
    pose = Pose(held, turn, place, torch.ones_like(turn[..., 0]))

    def before(points: Tensor) -> Tensor:
        return placed(points @ laid.mT, pose)

    return Hands(before(joints), own._replace(starts=before(own.starts), ends=before(own.ends)))


def with_slopes(numbers: Tensor, laid: Tensor) -> tuple[Hands, Hands]:
    """The hands that numbers (B, SIZE) say, and how all of them change by each number, which is
    the last dimension."""
    moved = torch.cat([torch.zeros_like(numbers[:1]), STEP * torch.eye(SIZE).to(numbers)])
    every = hands_of(numbers[:, None] + moved, laid[:, None])

    def slope(values: Tensor) -> Tensor:
        return ((values[:, 1:] - values[:, :1]) / STEP).movedim(1, -1)

    here = Hands(every.joints[:, 0], Cones(*(part[:, 0] for part in every.cones)))
    return here, Hands(slope(every.joints), Cones(*map(slope, every.cones)))


def of_points(points: Tensor, hands: Cones, slopes: Cones) -> tuple[Tensor, Tensor]:
    """How far points (B, P, 3) before the camera are outside of the nearest skin that faces it,
    (B, P), and the slopes, (B, P, SIZE)."""
    way = hands.ends - hands.starts  # (B, C, 3)
    along = points @ way.mT - (hands.starts * way).sum(-1)[:, None]
    share = (along / way.square().sum(-1)[:, None].clamp_min(TINY)).clamp(0, 1)  # (B, P, C)
    away = points[:, :, None] - hands.starts[:, None] - share[..., None] * way[:, None]
    apart = torch.linalg.vector_norm(away, dim=-1).clamp_min(TINY)
    outside = apart - hands.first[:, None] - share * (hands.last - hands.first)[:, None]
    turned = (away * _unit(points)[:, :, None]).sum(-1) / apart  # above 0 where it faces away
    which = (outside.abs() + BACK * (turned - 0.1).clamp_min(0)).argmin(-1)  # (B, P)

    hand = torch.arange(len(points), device=points.device)[:, None]
    point = torch.arange(points.shape[1], device=points.device)
    share, outward = share[hand, point, which], _unit(away[hand, point, which])
    starts, ends, first, last = (part[hand, which] for part in slopes)  # (B, P, ..., SIZE)
    middle = torch.lerp(starts, ends, share[..., None, None])
    radius = torch.lerp(first, last, share[..., None])
    slope = (outward[..., None, :] @ middle)[..., 0, :] + radius
    return outside[hand, point, which], -slope


def of_empty_space(points: Tensor, hands: Cones, slopes: Cones) -> tuple[Tensor, Tensor]:
    """How far the balls of fingers are beside what the camera saw, and how far before it, where it
    would have seen them: (B, 2F), and the slopes, (B, 2F, SIZE). What is nearer than points (B, P,
    3) lie to each other is 0."""
    room = 2 * torch.cdist(points, points).topk(2, largest=False).values[..., 1].mean(1)[:, None]
    (middles, radii), (moves, _) = _balls(hands), _balls(slopes)
    depth = middles[..., 2]
    pixels, seen = (own[..., :2] / own[..., 2:] for own in (middles, points))
    apart, which = torch.cdist(pixels, seen).min(-1)  # (B, F)
    apart = apart * depth
    hand = torch.arange(len(points), device=points.device)[:, None]
    sideways = _unit(pixels - seen[hand, which])
    beside = (apart - room).clamp_min(0)
    before = (points[hand, which, 2] - (depth - radii) - room).clamp_min(0)
    before = torch.where(apart < room + radii, before, 0)
    slope = torch.cat(
        [(sideways[..., None, :] @ moves[..., :2, :])[..., 0, :], -moves[..., 2, :]], 1
    )
    values = torch.cat([beside, before], 1)
    return values, slope * (values > 0)[..., None]


def _balls(own: Cones) -> tuple[Tensor, Tensor]:
    """The middles (B, F, 3) and radii (B, F) of balls at the joints of fingers, at their tips, and
    half way between; of slopes their slopes."""
    starts, ends, first, last = (part[:, :FINGERS] for part in own)
    middles = torch.cat([starts, (starts + ends) / 2, ends[:, 2::3]], 1)
    return middles, torch.cat([first, (first + last) / 2, last[:, 2::3]], 1)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp_min(TINY)
