"""Clouds moved and scaled into the unit ball by their centroid, as data sets of clouds are.

Shapes that are read from files are put there by the middle of their bounding box instead
(`nvc3d.geometry.mesh.normalise`), which does not depend on where their points are dense.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def in_unit_ball(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Points (N, 3) moved to their centroid and scaled so that the farthest is 1 away, and how far
    that was."""
    centred = points - points.mean(0)
    radius = float(np.linalg.norm(centred, axis=1).max())
    return np.asarray(centred / radius if radius > 0 else centred, np.float32), radius
