"""Figures without pyplot, saved whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nvc3d.atomic import atomic_write
from nvc3d.extras import require

# Told apart under the common colour blindnesses, and in lightness (Petroff, "Accessible color
# sequences for data visualization", arXiv 2107.02270).
COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
INK, FAINT = "0.2", "0.85"
SMALL, LARGE = 9, 11
"""Font sizes: of labels, and of titles."""


def new_figure(width: float, height: float) -> Any:
    """A matplotlib figure of this size in inches, on the Agg canvas."""
    figure = require("matplotlib.figure", "to draw pictures").Figure(figsize=(width, height))
    require("matplotlib.backends.backend_agg", "to draw pictures").FigureCanvasAgg(figure)
    return figure


def tidy(axis: Any, title: str = "") -> None:
    """Pale frame, small type, and a title."""
    for side in axis.spines.values():
        side.set_color(FAINT)
    axis.tick_params(labelsize=SMALL, colors=INK, color=FAINT)
    axis.set_title(title, fontsize=LARGE, color=INK)


def save(figure: Any, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG."""
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=150, facecolor="white")
    return Path(path)
