"""Planes: the points in their colours, and the faces that they are of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.extras import require
from nvc3d.geometry.outlines import Outline
from nvc3d.viz.clouds import camera
from nvc3d.viz.figure import LARGE, new_figure, save
from nvc3d.viz.palette import instance_colours

Floats = NDArray[np.float64]

DRAWN = 40000
"""Points in the picture, at most."""


def draw_planes(
    path: str | os.PathLike[str],
    points: NDArray[np.floating],
    instance: NDArray[np.int64],
    outlines: Sequence[Outline],
    frame: Floats,
    azimuth: float = 35.0,
) -> Path:
    """Draw points (N, 3) in the colours of their planes (N,), and beside them the faces with their
    outlines, as one sees through, as a PNG; the rows of `frame` (3, 3) are right, forward and up,
    and they are seen from `azimuth` in degrees from the right.

    Raises MissingExtra without matplotlib, and OSError where the file cannot be written.
    """
    patches = require("matplotlib.patches", "to draw pictures")
    paths = require("matplotlib.path", "to draw pictures")
    view = camera(azimuth, 35.0) @ frame
    figure = new_figure(12.0, 6.0)
    left, right = figure.subplots(1, 2)
    some = np.random.default_rng(0).permutation(len(points))[:DRAWN]
    x, y, depth = (points[some].astype(np.float64) @ view.T).T
    order = np.argsort(-depth)  # the painter's: far points first
    size = float(np.clip(40000 / max(len(some), 1), 0.8, 8.0))
    colours = instance_colours(instance)[some] / 255
    left.scatter(x[order], y[order], s=size, c=colours[order], linewidths=0)
    faces = instance_colours(np.arange(len(outlines))) / 255
    drawn = [
        (float(np.mean(rings[0] @ view[2])), number, rings)
        for number, outline in enumerate(outlines)
        for rings in outline.polygons
    ]
    for _, number, rings in sorted(drawn, key=lambda one: -one[0]):
        closed = [np.vstack([ring, ring[:1]]) @ view[:2].T for ring in rings]
        codes = [[1] + [2] * (len(ring) - 2) + [79] for ring in closed]
        shape = paths.Path(np.concatenate(closed), np.concatenate(codes))
        right.add_patch(
            patches.PathPatch(shape, fc=(*faces[number], 0.6), ec=0.6 * faces[number], lw=0.8)
        )
    for axis, title in ((left, "points"), (right, "faces")):
        wide, high = (0.02 * np.ptp(own) or 1.0 for own in (x, y))
        axis.set(xlim=(x.min() - wide, x.max() + wide), ylim=(y.min() - high, y.max() + high))
        axis.set_aspect("equal")
        axis.set_axis_off()
        axis.set_title(title, fontsize=LARGE)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.93, 0.02)
    return save(figure, path)
