"""Which way is up: by convention about, by the planes exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.planes import Planes


class Axis(NamedTuple):
    """What is up by convention."""

    direction: NDArray[np.float64]  # (3,)
    within: float  # degrees: how far from it the normal of a floor may be


UP = {
    **{name: Axis(np.eye(3)[i], 20.0) for i, name in enumerate("xyz")},
    **{f"-{name}": Axis(-np.eye(3)[i], 20.0) for i, name in enumerate("xyz")},
    "camera": Axis(-np.eye(3)[1], 60.0),  # which may look down
}


def check_up(up: str) -> None:
    """Raise ValueError on what is no key of `UP`."""
    if up not in UP:
        raise ValueError(f"up must be one of {', '.join(UP)}, got {up!r}")


# Rows: what makes x, y and z of glTF, where y is up.
_TURNS = {
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "-x": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}


def to_y_up(up: str) -> NDArray[np.float64]:
    """The turn (3, 3) by quarters that makes an axis, a key of `UP`, the y axis."""
    return np.array(_TURNS["-y" if up == "camera" else up], np.float64)


def upward(planes: Planes, up: str) -> NDArray[np.float64]:
    """The direction (3,) that is up: the normal of the plane with most points of those that lie
    flat by the axis `up`, a key of `UP`, or that axis where none does.

    Raises ValueError on another axis.
    """
    check_up(up)
    axis = UP[up]
    along = planes.normal @ axis.direction
    flat = np.flatnonzero(np.abs(along) >= np.cos(np.radians(axis.within)))
    if not len(flat):
        return axis.direction.copy()
    most = flat[0]  # they come by their points
    return np.asarray(planes.normal[most] * np.sign(along[most]))


def upright_frame(planes: Planes, up: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows (3, 3) right, forward and up of the axes in which the upright plane with most
    points faces right; where none is upright, some that stand on each other squarely."""
    along = np.abs(planes.normal @ up)
    upright = np.flatnonzero(along <= np.sin(np.radians(20)))
    right = planes.normal[upright[0]] if len(upright) else np.eye(3)[np.abs(up).argmin()]
    right = right - (right @ up) * up
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(up, right), up])
