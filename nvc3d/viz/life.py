"""How the anchors fare while a nebula is trained."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from nvc3d.nebula import Diagnostics, Nebula
from nvc3d.viz.figure import COLOURS, FAINT, INK, SMALL, new_figure, save, tidy

_MOST = 512


class Life:
    """A nebula's diagnostics over its training.

        life = Life(nebula)
        for batch in batches:
            ...
            life.record()
        draw_life("life.png", life)

    Keeps at most 512 of them: each time it is full every other is dropped, and from then on twice
    as many calls go by before the next. So it can be called at every step of any training.
    """

    def __init__(self, nebula: Nebula) -> None:
        self.nebula = nebula
        self.history: list[Diagnostics] = []
        self._calls, self._stride = 0, 1

    def record(self) -> None:
        """Take note of the diagnostics, if it is time to."""
        if self._calls % self._stride == 0:
            self.history.append(self.nebula.diagnostics())
            if len(self.history) > _MOST:
                self.history = self.history[::2]
                self._stride *= 2
        self._calls += 1


def draw_life(path: str | os.PathLike[str], life: Life) -> Path:
    """Draw the anchors in use and their perplexity, the least distance of two, the latents' spread
    around their anchors, and the scale of the constraint, over the steps, as a PNG.

    Steps at which the anchors slept lie on grey; what is not finite leaves a gap. Raises ValueError
    where nothing was recorded, MissingExtra without matplotlib, and OSError where the file cannot
    be written.
    """
    if not life.history:
        raise ValueError("there is nothing to draw: life.record() was never called")
    count = life.nebula.num_anchors
    steps = np.array([d.steps for d in life.history])
    asleep = np.array([d.awake for d in life.history]) == 0
    panels = {
        "Anchors": ("used", "perplexity"),
        "Least distance of two anchors": ("least_distance",),
        "Spread of the latents around their anchors": ("spread",),
        "Scale of the constraint": ("scale",),
    }
    figure = new_figure(9.6, 5.6)
    axes = figure.subplots(2, 2, sharex=True)
    for axis, (title, fields) in zip(axes.flat, panels.items(), strict=True):
        for field, colour in zip(fields, (COLOURS[0], COLOURS[6]), strict=False):
            _draw_line(axis, steps, [getattr(d, field) for d in life.history], field, colour)
        if asleep.any():
            axis.axvspan(
                steps[0], steps[asleep][-1], color=FAINT, alpha=0.5, linewidth=0, label="asleep"
            )
        tidy(axis, title)
    axes[0, 0].axhline(count, color=INK, linewidth=0.8, linestyle=":", label=f"all {count}")
    # Room for the legend over the lines.
    axes[0, 0].set_ylim(0, 1.25 * count)
    axes[0, 0].legend(loc="upper right", ncols=4, frameon=False, fontsize=SMALL)
    for axis in axes.flat[1:3]:
        axis.set_ylim(bottom=0)
    if any(d.scale > 0 for d in life.history):
        axes[1, 1].set_yscale("log", nonpositive="mask")
    for axis in axes[1]:
        axis.set_xlabel("training step", fontsize=SMALL, color=INK)
    figure.tight_layout(pad=0.8)
    return save(figure, path)


def _draw_line(axis: Any, steps: Any, values: list[float], label: str, colour: str) -> None:
    line = np.array(values, dtype=np.float64)
    line[~np.isfinite(line)] = np.nan
    if np.isnan(line).all():
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, ha="center", color=INK)
        return
    marker = "o" if len(steps) == 1 else None
    axis.plot(steps, line, color=colour, linewidth=1.4, marker=marker, label=label)
