"""A hand before a depth camera: how it is turned, where it is, and what else is in view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.geometry.intrinsics import Intrinsics
from nvc3d.shapes.hands.beside import forearm, held_object
from nvc3d.shapes.hands.poses import draw_angles
from nvc3d.shapes.hands.sensor import as_measured
from nvc3d.shapes.hands.skin import Hand, bent
from nvc3d.shapes.hands.touch import balls
from nvc3d.shapes.hands.vectors import dot, turned, unit
from nvc3d.shapes.hands.view import Solid, depth_image

Floats = NDArray[np.float64]

DISTANCES = (300.0, 900.0)
"""How near and how far from the camera hands are, in mm."""
_APART = (110.0, 220.0)  # mm between the middles of a hand and the other
_REACH = 110.0  # mm around a hand's middle that should be in the image
_TRIES = 8
_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class View:
    """What is in view, each with its probability.

    Args:
        noise: the depth is measured, not exact: see `sensor.as_measured`.
        arm: a forearm.
        object: a thing in the hand.
        other: the other hand, near it.
    """

    noise: float = 0.0
    arm: float = 0.0
    object: float = 0.0
    other: float = 0.0


class _Held(NamedTuple):
    """A right hand as it is held: its joints (21, 3) and skin, and the balls that fill it."""

    joints: Floats
    skin: Solid
    middles: Floats
    radii: Floats


class _Stand(NamedTuple):
    """How a hand stands before the camera: turned by (3, 3), mirrored if it is a left one,
    and moved by (3,)."""

    turn: Floats
    left: bool
    place: Floats

    def points(self, points: Floats) -> Floats:
        own = points * _MIRROR if self.left else points
        return turned(own, self.turn) + self.place

    def solid(self, solid: Solid) -> Solid:
        vertices, faces = solid
        return self.points(vertices), faces[:, ::-1] if self.left else faces


def draw_frame(
    hand: Hand, pose: str, left: bool, view: View, camera: Intrinsics, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.float32]]:
    """A frame of a hand in a pose of `poses.NAMES`; what else is in view leaves the hand as it is.

    Returns:
        Its joints (21, 3) and the depth (height, width), in mm, of the camera.
    """
    held = _hold(hand, pose, rng)
    turn, middle = _turn(rng), _place(camera, rng)
    skin = _Stand(turn, left, np.zeros(3)).points(held.skin[0])
    stand = _Stand(turn, left, middle - (skin.min(0) + skin.max(0)) / 2)
    solids = [stand.solid(solid) for solid in (held.skin, *_with(hand, held, view, rng))]
    if rng.random() < view.other:
        solids += _other(hand, held, stand, view, rng)
    depth = depth_image(solids, camera)
    if rng.random() < view.noise:
        depth = as_measured(depth, rng)
    return stand.points(held.joints), depth


def _hold(hand: Hand, pose: str, rng: np.random.Generator) -> _Held:
    angles = draw_angles(hand.skeleton, pose, rng)
    with torch.no_grad():
        moved = bent(hand, torch.from_numpy(angles))
    # Sines, and sums of products, differ in the last bit between machines. Rounded to a tenth of a
    # micrometre, what follows is the same on all.
    joints, vertices = (np.round(value.numpy(), 4) + 0.0 for value in moved)
    return _Held(joints, (vertices, hand.faces.numpy()), *balls(hand.skeleton, joints))


def _with(hand: Hand, held: _Held, view: View, rng: np.random.Generator) -> list[Solid]:
    """The forearm and the thing that go with a hand, where there are any."""
    solids = []
    if rng.random() < view.arm:
        solids.append(forearm(hand.skeleton, rng))
    if rng.random() < view.object:
        solids += held_object(held.joints, held.middles, held.radii, rng)
    return solids


def _other(
    hand: Hand, held: _Held, stand: _Stand, view: View, rng: np.random.Generator
) -> list[Solid]:
    """The same person's other hand, near but not in the first; none where there is no room."""
    own, centre = stand.points(held.middles), stand.points(held.joints).mean(0)
    second = _hold(hand, "random", rng)
    arm = _with(hand, second, View(arm=view.arm), rng)
    for _ in range(_TRIES):
        away = unit(_any_turn(rng)[0] * [1.0, 1.0, 0.5])
        away *= _APART[0] + (_APART[1] - _APART[0]) * rng.random()
        there = _Stand(_turn(rng), not stand.left, np.zeros(3))
        middles = there.points(second.middles)
        beside = there._replace(place=centre + away - middles.mean(0))
        gaps = own[:, None] - (middles + beside.place)
        apart = np.sqrt(dot(gaps, gaps)) - held.radii[:, None] - second.radii
        if apart.min() > 0:
            return [beside.solid(solid) for solid in (second.skin, *arm)]
    return []


def _turn(rng: np.random.Generator) -> Floats:
    """A rotation (3, 3) from a hand's axes to the camera's. Every way round may come; palms and
    backs towards the camera, and fingers that point up, come more often."""
    while True:
        turn = _any_turn(rng)
        faces, up = abs(turn[2, 2]), -turn[1, 1]
        if rng.random() < (0.3 + 0.7 * faces) * (0.6 + 0.4 * up):
            return turn


def _any_turn(rng: np.random.Generator) -> Floats:
    """Any rotation (3, 3), as likely as any other.

    From a unit quaternion by Marsaglia, "Choosing a Point from the Surface of a Sphere", 1972: its
    one square root has the same last bit on every machine.
    """
    (a, b), (c, d) = _in_disc(rng), _in_disc(rng)
    scale = np.sqrt((1 - a * a - b * b) / (c * c + d * d))
    c, d = c * scale, d * scale
    return np.array(
        [
            [1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c)],
        ]
    )


def _in_disc(rng: np.random.Generator) -> tuple[float, float]:
    while True:
        x, y = 2 * rng.random(2) - 1
        if 0 < x * x + y * y < 1:
            return float(x), float(y)


def _place(camera: Intrinsics, rng: np.random.Generator) -> Floats:
    """Where the middle of a hand (3,) is: in the image, with room around it where there is any."""
    z = DISTANCES[0] + (DISTANCES[1] - DISTANCES[0]) * rng.random()
    place = []
    sides = (camera.fx, camera.cx, camera.width), (camera.fy, camera.cy, camera.height)
    for (focal, centre, size), share in zip(sides, rng.random(2), strict=True):
        room = min(_REACH * focal / z, (size - 1) / 2)
        pixel = room + (size - 1 - 2 * room) * share
        place.append((pixel - centre) / focal * z)
    return np.array([*place, z])
