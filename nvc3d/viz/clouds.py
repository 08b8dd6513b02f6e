"""Point clouds side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.viz.figure import INK, SMALL, new_figure, save
from nvc3d.viz.palette import label_colours

# Dark to light, near to far: one hue for each row.
HUES = (
    ((0.05, 0.19, 0.42), (0.66, 0.80, 0.93)),
    ((0.55, 0.16, 0.05), (0.98, 0.80, 0.62)),
    ((0.13, 0.27, 0.18), (0.74, 0.86, 0.76)),
)

PALE = 0.85
"""Grey of points without a label."""
LINE = 0.16
"""Height of a name in a legend, in inches."""


def draw_clouds(
    path: str | os.PathLike[str],
    rows: dict[str, Sequence[ArrayLike]],
    titles: Sequence[str],
    *,
    labels: Mapping[str, Sequence[ArrayLike]] | None = None,
    legends: Sequence[Mapping[int, str]] | None = None,
    one_scale: bool = False,
    azimuth: float = 35.0,
    elevation: float = 22.0,
) -> Path:
    """Draw rows of point clouds under each other, as a PNG: one column for each thing shown.

    `rows` gives for each row's name as many clouds (N, 3) as there are `titles`. All clouds of a
    column share one scale and place; with `one_scale` all clouds of all columns do. They are seen
    from `azimuth` and `elevation` in degrees, with z up; near points are dark. The points of a row
    that has `labels`, (N,) for each of its clouds, have the colours of those, pale where they are
    negative; `legends` are the names of labels to write under each column.

    Raises ValueError on shapes that do not fit together, MissingExtra without matplotlib, and
    OSError where the file cannot be written.
    """
    clouds = {name: [_cloud(cloud, name) for cloud in row] for name, row in rows.items()}
    for name, row in clouds.items():
        if len(row) != len(titles):
            raise ValueError(f"row {name!r} must have {len(titles)} clouds, got {len(row)}")
    colours = {
        name: [_colours(own, len(cloud)) for own, cloud in zip(row, clouds[name], strict=True)]
        for name, row in (labels or {}).items()
    }
    if not clouds or not titles:
        raise ValueError("there is nothing to draw: rows and titles must not be empty")
    if legends is not None and len(legends) != len(titles):
        raise ValueError(f"there must be {len(titles)} legends, got {len(legends)}")
    below = LINE * max((len(legend) for legend in legends or ()), default=0)
    figure = new_figure(1.9 * len(titles) + 0.4, 1.9 * len(clouds) + 0.3 + below)
    axes = figure.subplots(len(clouds), len(titles), squeeze=False)
    to_screen = camera(azimuth, elevation)
    for column, title in enumerate(titles):
        everything = np.concatenate(
            [cloud for row in clouds.values() for cloud in (row if one_scale else [row[column]])]
        )
        low, high = everything.min(0), everything.max(0)
        centre = (low + high) / 2
        radius = float(np.linalg.norm(everything - centre, axis=1).max()) or 1.0
        axes[0, column].set_title(title, fontsize=10, color="0.2")
        for line, (name, row) in enumerate(clouds.items()):
            axis = axes[line, column]
            x, y, depth = ((row[column] - centre) / radius @ to_screen.T).T
            order = np.argsort(-depth)  # the painter's: far points first
            near, far = (np.array(hue) for hue in HUES[line % len(HUES)])
            share = np.clip((depth[order, None] + 1) / 2, 0, 1)
            axis.scatter(
                x[order],
                y[order],
                s=np.clip(5000 / max(len(x), 1), 1.5, 6.0),
                c=colours[name][column][order] if name in colours else near + (far - near) * share,
                linewidths=0,
            )
            axis.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", xticks=[], yticks=[])
            for side in axis.spines.values():
                side.set_visible(False)
    for line, name in enumerate(clouds):
        axes[line, 0].set_ylabel(name, fontsize=10, color="0.2")
    left, top = 0.35 / figure.get_figwidth(), 1 - 0.35 / figure.get_figheight()
    bottom = 0.01 + below / figure.get_figheight()
    figure.subplots_adjust(left, bottom, 0.995, top, 0.02, 0.02)
    for axis, legend in zip(axes[-1], legends or (), strict=False):
        colours_of = label_colours(max(legend, default=0) + 1) / 255
        x, y = axis.get_position().x0, axis.get_position().y0
        for line, (label, name) in enumerate(sorted(legend.items())):
            at = y - (line + 0.7) * LINE / figure.get_figheight()
            figure.text(x, at, "●", color=colours_of[label], fontsize=SMALL, va="center")
            shift = 0.16 / figure.get_figwidth()
            figure.text(x + shift, at, name, color=INK, fontsize=SMALL, va="center")
    return save(figure, path)


def _cloud(values: ArrayLike, name: str) -> NDArray[np.float64]:
    cloud = np.asarray(values, dtype=np.float64)
    if cloud.ndim != 2 or cloud.shape[1] != 3 or len(cloud) == 0:
        raise ValueError(f"a cloud of row {name!r} must be (N, 3), got {cloud.shape}")
    if not np.isfinite(cloud).all():
        raise ValueError(f"a cloud of row {name!r} holds NaN or infinite coordinates")
    return cloud


def _colours(labels: ArrayLike, count: int) -> NDArray[np.float64]:
    """Colours (N, 3) from 0 to 1 of labels (N,)."""
    own = np.asarray(labels)
    if own.shape != (count,) or own.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers ({count},), got {own.dtype} {own.shape}")
    colours = np.full((count, 3), PALE)
    known = own >= 0
    colours[known] = label_colours(int(own.max(initial=0)) + 1)[own[known]] / 255
    return colours


def camera(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """The rows right, up and away of a camera that looks at the origin, z being up."""
    a, e = np.deg2rad([azimuth, elevation])
    right = [-np.sin(a), np.cos(a), 0.0]
    toward = [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)]
    return np.array([right, np.cross(toward, right), np.negative(toward)])
