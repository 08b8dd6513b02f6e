"""The latent space as a map."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.extras import require
from nvc3d.viz.figure import new_figure, save

Floats = NDArray[np.float64]


def draw_latents(
    path: str | os.PathLike[str],
    latents: ArrayLike,
    labels: ArrayLike,
    names: Sequence[str],
    anchors: ArrayLike | None = None,
    anchor: ArrayLike | None = None,
) -> Path:
    """Draw latents on the plane of their two greatest variances, coloured by label, as a PNG.

    `latents` (B, D) carry `labels` (B,), indices into `names`. `anchors` (M, D) are drawn among
    them with their index: larger the more latents are theirs by `anchor` (B,), hollow without any.
    Raises ValueError on shapes that do not fit together, MissingExtra without matplotlib, and
    OSError where the file cannot be written.
    """
    points = np.asarray(latents, dtype=np.float64)
    label = np.asarray(labels, dtype=np.int64)
    if points.ndim != 2 or len(points) == 0 or label.shape != points.shape[:1]:
        raise ValueError(
            f"latents must be (B, D) and labels (B,), got {points.shape} and {label.shape}"
        )
    if label.min() < 0 or label.max() >= len(names):
        raise ValueError(
            f"labels must index the {len(names)} names, got {label.min()} to {label.max()}"
        )
    if not np.isfinite(points).all():
        raise ValueError("latents hold NaN or infinite values")
    at, to_map = project(points)
    figure = new_figure(8.4, 6.2)
    axis = figure.add_axes((0.02, 0.02, 0.79, 0.92))
    colours = palette(len(names))
    for index, name in enumerate(names):
        chosen = label == index
        if chosen.any():
            axis.scatter(*at[chosen].T, s=18, color=colours[index], linewidths=0, label=name)
    if anchors is not None:
        where = np.asarray(anchors, dtype=np.float64)
        if where.ndim != 2 or where.shape[1] != points.shape[1]:
            raise ValueError(f"anchors must be (M, {points.shape[1]}), got {where.shape}")
        owner = np.arange(len(where)) if anchor is None else np.asarray(anchor)
        _draw_anchors(axis, to_map(where), np.bincount(owner, minlength=len(where)))
    axis.set(xticks=[], yticks=[])
    axis.set_title("Latent space: first two principal components", fontsize=11, color="0.2")
    for side in axis.spines.values():
        side.set_color("0.85")
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    return save(figure, path)


def project(latents: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
    """Latents (B, D) on the plane of their two greatest variances, (B, 2), and the way there."""
    centre = latents.mean(0)
    rows = np.linalg.svd(latents - centre, full_matrices=False)[2][:2]  # (2 or fewer, D)
    rows = np.vstack([rows, np.zeros((2 - len(rows), latents.shape[1]))])
    # A singular vector's sign is arbitrary; this choice makes the map the same everywhere.
    largest = rows[[0, 1], np.abs(rows).argmax(1)]
    plane = (rows * np.where(largest < 0, -1, 1)[:, None]).T  # (D, 2)

    def to_map(others: Floats) -> Floats:
        return (others - centre) @ plane

    return to_map(latents), to_map


def palette(count: int) -> list[Any]:
    """As many colours as needed, neighbours far apart in hue."""
    maps = require("matplotlib", "to draw pictures").colormaps
    strong, pale = maps["tab20"].colors[::2], maps["tab20"].colors[1::2]
    all_of_them = [*strong, *pale, *maps["Dark2"].colors]
    return [all_of_them[i % len(all_of_them)] for i in range(count)]


def _draw_anchors(axis: Any, at: Floats, count: NDArray[np.int64]) -> None:
    """Stars at (M, 2) with their index, the area following the count (M,)."""
    size = 60 + 200 * count / max(count.max(), 1)
    used = count > 0
    axis.scatter(
        *at[used].T, s=size[used], marker="*", color="black", edgecolors="white", linewidths=0.8
    )
    axis.scatter(*at[~used].T, s=60, marker="*", color="none", edgecolors="0.5", linewidths=0.8)
    axis.scatter([], [], s=90, marker="*", color="black", label="anchor")
    for index, place in enumerate(at):
        axis.annotate(str(index), place, (5, 5), textcoords="offset points", fontsize=7)
