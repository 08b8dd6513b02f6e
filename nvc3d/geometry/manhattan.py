"""Planes turned square: to the three directions in which a building stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.planes import Planes

Floats = NDArray[np.float64]

WITHIN = 10.0
"""Degrees from a direction, up to which a plane is turned to it."""
TRIED = 16
"""Planes, those with the most points, of which pairs are tried."""
ROUNDS = 10


def manhattan_frame(planes: Planes) -> Floats:
    """The rows (3, 3) of three directions, square to each other, near which the planes with the
    most points lie; nearest to them in least squares.

    (Coughlan, Yuille, "Manhattan world: compass direction from a single image by Bayesian
    inference", ICCV 1999.) Raises ValueError where there is no plane.
    """
    if not len(planes.offset):
        raise ValueError("there must be a plane or more, got none")
    normal, weight = planes.normal, planes.points.astype(np.float64)
    frames = [_frame(normal[0], np.eye(3)[np.abs(normal[0]).argmin()])]
    for one in range(min(TRIED, len(normal))):
        for other in range(one + 1, min(TRIED, len(normal))):
            if abs(normal[one] @ normal[other]) <= np.sin(np.radians(WITHIN)):
                frames.append(_frame(normal[one], normal[other]))
    frame = max(frames, key=lambda own: float(weight[_near(own, normal)[1]].sum()))
    for _ in range(ROUNDS):
        axis, near = _near(frame, normal)
        toward = np.sign((frame[axis] * normal).sum(1))[:, None] * normal
        pull = np.zeros((3, 3))
        np.add.at(pull, axis[near], weight[near, None] * toward[near])
        # What nothing pulls stays where it is.
        pull += 1e-6 * weight.sum() * frame
        left, _, right = np.linalg.svd(pull)
        frame = left @ right
    return frame


def squared(points: NDArray[np.floating], planes: Planes) -> Planes:
    """The planes of points (N, 3), each within 10 degrees of one of three directions turned to it,
    about the middle of its points; others stay."""
    if not len(planes.offset):
        return planes
    frame = manhattan_frame(planes)
    axis, near = _near(frame, planes.normal)
    normal, offset, rms = planes.normal.copy(), planes.offset.copy(), planes.rms.copy()
    for number in np.flatnonzero(near):
        own = np.asarray(points[planes.instance == number], np.float64)
        middle = own.mean(0)
        direction = frame[axis[number]]
        sign = 1.0 if direction @ planes.normal[number] > 0 else -1.0
        normal[number] = sign * direction
        offset[number] = middle @ normal[number]
        rms[number] = np.sqrt(np.mean(((own - middle) @ direction) ** 2))
        if offset[number] < 0:
            normal[number], offset[number] = -normal[number], -offset[number]
    return planes._replace(normal=normal, offset=offset, rms=rms)


def _frame(one: Floats, other: Floats) -> Floats:
    """Rows (3, 3): one direction, the other made square to it, and what is square to both."""
    second = other - (other @ one) * one
    second /= np.linalg.norm(second)
    return np.stack([one, second, np.cross(one, second)])


def _near(frame: Floats, normal: Floats) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The nearest direction of each normal (P, 3), and whether it is near."""
    along = np.abs(normal @ frame.T)
    return along.argmax(1), along.max(1) >= np.cos(np.radians(WITHIN))
