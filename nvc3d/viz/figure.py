"""Figures without pyplot, saved whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nvc3d.data.formats.atomic import atomic_write
from nvc3d.extras import require


def new_figure(width: float, height: float) -> Any:
    """A matplotlib figure of this size in inches, on the Agg canvas."""
    figure = require("matplotlib.figure", "to draw pictures").Figure(figsize=(width, height))
    require("matplotlib.backends.backend_agg", "to draw pictures").FigureCanvasAgg(figure)
    return figure


def save(figure: Any, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG."""
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=150, facecolor="white")
    return Path(path)
