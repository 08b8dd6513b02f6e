"""Products of vectors, written out: a matrix product rounds differently from machine to machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def dot(a: Floats, b: Floats) -> Floats:
    """The dot products (...) of vectors (..., 3)."""
    return np.asarray(a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2])


def unit(vectors: Floats) -> Floats:
    """Vectors (..., 3) of length 1 that point the same way."""
    return np.asarray(vectors / np.sqrt(dot(vectors, vectors))[..., None])


def turned(points: Floats, turn: Floats) -> Floats:
    """Points (N, 3) turned by a rotation (3, 3)."""
    x, y, z = points.T
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in turn], 1)
