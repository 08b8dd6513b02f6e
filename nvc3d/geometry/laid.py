"""Points that were laid beside those of a scan: what is known of them, and what is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.mesh import Cloud

COMPLETED = "completed"
"""The column that tells points that were laid, 1, from those of the scan, 0."""
GREY = 128


def with_laid(scan: Cloud, laid: NDArray[np.floating]) -> Cloud:
    """All points of a scan, with all that is known of them, and then the points (L, 3) laid beside.

    The column `completed` tells them apart; where the scan has one already, that goes on. Of the
    points laid nothing else is known: they are grey, their label and instance are -1, their normal
    is 0, 0, 0, and any other number is NaN, or 0 in a column of whole numbers.
    """
    before = {COMPLETED: np.zeros(len(scan), np.uint8), **scan.columns}
    columns = {
        name: np.concatenate([values, _unknown(name, values, len(laid))])
        for name, values in before.items()
    }
    return Cloud(np.concatenate([scan.points, laid]), columns, scan.label_names, scan.unit)


def _unknown(name: str, values: NDArray, count: int) -> NDArray:
    """What stands in a column for `count` points of which it says nothing."""
    value: float = np.nan if values.dtype.kind == "f" else 0
    value = {COMPLETED: 1, "color": GREY, "label": -1, "instance": -1, "normal": 0}.get(name, value)
    return np.full((count, *values.shape[1:]), value, values.dtype)
