"""A cloud in the colours of its labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from nvc3d.viz.clouds import camera
from nvc3d.viz.figure import INK, SMALL, new_figure, save
from nvc3d.viz.palette import label_colours


def draw_labelled(
    path: str | os.PathLike[str], points: ArrayLike, labels: ArrayLike, names: Sequence[str]
) -> Path:
    """Draw a cloud (N, 3) in the colours of its labels (N,), indices into `names`, as a PNG with
    the names of those that occur. Raises ValueError on shapes that do not fit together,
    MissingExtra without matplotlib, and OSError where the file cannot be written.
    """
    cloud, own = np.asarray(points, np.float64), np.asarray(labels)
    if cloud.ndim != 2 or cloud.shape[1] != 3 or own.shape != (len(cloud),) or not len(cloud):
        raise ValueError(
            f"points and labels must be (N, 3) and (N,), got {cloud.shape} and {own.shape}"
        )
    if own.dtype.kind not in "iu" or own.min() < 0 or own.max() >= len(names):
        raise ValueError(f"labels must be from 0 to {len(names) - 1}")
    low, high = cloud.min(0), cloud.max(0)
    x, y, depth = ((cloud - (low + high) / 2) @ camera(35.0, 35.0).T).T
    order = np.argsort(-depth)  # the painter's: far points first
    colours = label_colours(len(names)) / 255
    figure = new_figure(8.0, 6.0)
    axis = figure.add_axes((0.01, 0.01, 0.74, 0.98))
    size = np.clip(30000 / len(cloud), 1.5, 8.0)
    axis.scatter(x[order], y[order], s=size, c=colours[own[order]], linewidths=0)
    axis.set_aspect("equal")
    axis.set_axis_off()
    for label in np.unique(own).tolist():
        axis.scatter([], [], s=40, color=colours[label], label=names[label])
    axis.legend(
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )
    return save(figure, path)
