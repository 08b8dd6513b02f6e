"""The forms in which planes are handed out: a normal and an offset, one vector n·d, or n/d.

A plane is where normal · x = offset, with a normal of length 1. The plane through the origin has no
vector n·d that says which way it faces, and none n/d at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def times_offset(normal: ArrayLike, offset: ArrayLike) -> Floats:
    """The vectors n·d (..., 3), the points of the planes nearest to the origin."""
    return np.asarray(normal, np.float64) * np.asarray(offset, np.float64)[..., None]


def by_offset(normal: ArrayLike, offset: ArrayLike) -> Floats:
    """The vectors n/d (..., 3), whose product with every point of the plane is 1.

    Raises ValueError on a plane through the origin.
    """
    distance = np.asarray(offset, np.float64)[..., None]
    if (distance == 0).any():
        raise ValueError("a plane through the origin has no vector n/d")
    return np.asarray(np.asarray(normal, np.float64) / distance)


def from_times_offset(vectors: ArrayLike) -> tuple[Floats, Floats]:
    """Normals (P, 3) and offsets (P,), 0 or more, of vectors n·d (P, 3).

    Raises ValueError on another shape, on NaN or inf, and on a plane through the origin.
    """
    vectors = _checked(vectors, "n·d")
    offset = np.sqrt((vectors * vectors).sum(1))
    return vectors / offset[:, None], offset


def from_by_offset(vectors: ArrayLike) -> tuple[Floats, Floats]:
    """Normals (P, 3) and offsets (P,) above 0 of vectors n/d (P, 3); raises likewise."""
    vectors = _checked(vectors, "n/d")
    length = np.sqrt((vectors * vectors).sum(1))
    return vectors / length[:, None], 1 / length


def moved(
    normal: ArrayLike, offset: ArrayLike, turn: ArrayLike, shift: ArrayLike
) -> tuple[Floats, Floats]:
    """The planes (P, 3) and (P,) of points x after they became turn · x + shift; a turn (3, 3) may
    mirror."""
    turned = np.asarray(normal, np.float64) @ np.asarray(turn, np.float64).T
    return turned, np.asarray(offset, np.float64) + turned @ np.asarray(shift, np.float64)


def _checked(vectors: ArrayLike, name: str) -> Floats:
    values = np.asarray(vectors, np.float64)
    if values.ndim != 2 or values.shape[1] != 3:
        raise ValueError(f"planes as {name} must be (P, 3), got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"planes as {name} must be finite, got NaN or inf")
    if not values.any(1).all():
        raise ValueError(f"planes as {name} must not be 0, got {int((~values.any(1)).sum())} such")
    return values
