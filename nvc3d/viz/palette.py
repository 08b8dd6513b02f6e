"""Colours of labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc3d.viz.figure import COLOURS

SHADES = 50
"""Colours of instances: later ones would be black or white."""
NONE = 217
"""Grey of what belongs to nothing."""


def label_colours(count: int) -> NDArray[np.uint8]:
    """Red, green and blue (count, 3) of labels 0, 1, ...; a label's colour is the same for any
    count.

    Ten are told apart by colour-blind readers too; each further ten are those, darker and lighter
    in turn.
    """
    basic = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in COLOURS], np.float64)
    number = np.arange(count)
    round_of = number // len(COLOURS)  # (count,)
    rows = basic[number % len(COLOURS)]
    share = (1 - 0.7 ** ((round_of + 1) // 2))[:, None]  # of black or of white
    toward = np.where(round_of % 2 == 1, 0.0, 255.0)[:, None]
    return np.round(rows + share * (toward - rows)).astype(np.uint8)


def instance_colours(instances: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Red, green and blue (N, 3) of instances (N,): fifty in turn, and grey where there is none:
    -1."""
    colours = np.vstack([label_colours(SHADES), [[NONE] * 3]])
    return np.asarray(colours[np.where(instances < 0, SHADES, instances % SHADES)], np.uint8)
