"""Which class is taken for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from nvc3d.viz.arrays import floats
from nvc3d.viz.figure import INK, SMALL, new_figure, save, tidy

# More classes than these leave no room for numbers.
_NUMBERED = 30
_INCHES = 0.28  # side of a cell


def draw_confusion(path: str | os.PathLike[str], counts: ArrayLike, names: Sequence[str]) -> Path:
    """Draw a confusion matrix as a PNG: a row for each true class, a column for each predicted.

    `counts` (C, C) are coloured by their share of their row, and written down where they are not 0
    and there are 30 `names` (C,) at most.

    Raises ValueError on other shapes and on numbers below 0, MissingExtra without matplotlib, and
    OSError where the file cannot be written.
    """
    values = floats(counts, "counts")
    if values.shape != (len(names), len(names)) or len(names) == 0:
        raise ValueError(f"counts must be ({len(names)}, {len(names)}), got {values.shape}")
    if (values < 0).any():
        raise ValueError(f"counts must be at least 0, got {values.min():g}")
    share = values / np.maximum(values.sum(1, keepdims=True), 1)
    side = max(_INCHES * len(names), 2.0)
    label = 0.6 + 0.075 * max(map(len, names))
    figure = new_figure(label + side + 0.2, label + side + 0.5)
    wide, tall = figure.get_size_inches()
    axis = figure.add_axes((label / wide, label / tall, side / wide, side / tall))
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ticks = range(len(names))
    axis.set_yticks(ticks, names)
    axis.set_xticks(ticks, names, rotation=90)
    for row, column in np.argwhere(values > 0) if len(names) <= _NUMBERED else ():
        axis.text(
            column,
            row,
            f"{values[row, column]:g}",
            ha="center",
            va="center",
            fontsize=SMALL - 2,
            color="white" if share[row, column] > 0.5 else INK,
        )
    axis.set_xlabel("predicted", fontsize=SMALL, color=INK)
    axis.set_ylabel("true", fontsize=SMALL, color=INK)
    right = np.trace(values) / max(values.sum(), 1)
    tidy(axis, f"{right:.1%} of {values.sum():g} right")
    return save(figure, path)
