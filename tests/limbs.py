"""Hands with arms and bodies before a depth camera, made of balls."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hand_frames import HAND

from nvc3d.geometry.hand_joints import BONES, FINGERS
from nvc3d.geometry.intrinsics import Intrinsics

ELBOW = np.array([10.0, 300, 430])
"""Of an arm that hangs down from HAND."""


def along(start: np.ndarray, end: np.ndarray, first: float, last: float) -> np.ndarray:
    """Balls (N, 4), x, y, z and radius, from one place to another."""
    count = max(int(np.linalg.norm(end - start) / 4), 1)
    t = np.linspace(0, 1, count + 1)[:, None]
    return np.concatenate([start + t * (end - start), first + t * (last - first)], 1)


def hand(joints: np.ndarray = HAND) -> np.ndarray:
    """Balls of a hand: its bones, and a palm."""
    bones = [along(joints[a], joints[b], 10, 8) for a, b in BONES if a]
    bases = [joints[chain[0]] for chain in FINGERS.values()]
    knuckles = np.concatenate([along(a, b, 12, 12) for a, b in pairwise(bases)])
    palm = [along(joints[0], place, 18, 13) for place in knuckles[::3, :3]]
    return np.concatenate([*bones, knuckles, *palm])


def arm(joints: np.ndarray = HAND, elbow: np.ndarray = ELBOW) -> np.ndarray:
    """Balls of a forearm."""
    return along(joints[0], elbow, 24, 40)


def body(z: float = 700.0) -> np.ndarray:
    """Balls of a trunk behind, on the left of the image."""
    places = np.mgrid[-400:-90:25, -150:500:25].reshape(2, -1).T
    return np.column_stack([places, np.full(len(places), z), np.full(len(places), 30.0)])


def turned(joints: np.ndarray, degrees: float, about: np.ndarray | None = None) -> np.ndarray:
    """Turned about an axis along the camera's."""
    middle = HAND.mean(0) if about is None else about
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (joints - middle) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + middle


def seen(camera: Intrinsics, *balls: np.ndarray) -> np.ndarray:
    """The depth image (height, width) in metres, float32."""
    depth = np.full((camera.height, camera.width), np.inf)
    for x, y, z, radius in np.concatenate(balls):
        left, top, right, bottom = camera.box((x, y, z), 2.4 * radius)
        u, v = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
        off = ((u - camera.cx) * z / camera.fx - x) ** 2 + (
            (v - camera.cy) * z / camera.fy - y
        ) ** 2
        near = z - np.sqrt(np.clip(radius**2 - off, 0, None))
        part = depth[top:bottom, left:right]
        depth[top:bottom, left:right] = np.where(off <= radius**2, np.minimum(part, near), part)
    return np.where(np.isfinite(depth), depth / 1000, 0).astype(np.float32)
