"""The latent space as a map."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nvc3d.extras import require
from nvc3d.viz.arrays import Floats, Integers, floats, indices, latent_rows
from nvc3d.viz.figure import COLOURS, INK, SMALL, new_figure, save, tidy

# A colour for each of ten, then the next shape.
_SHAPES = "o^sDvPX"
# Names under each other in the legend; numbers on the map.
_LINES, _NUMBERED = 26, 64


def draw_latents(
    path: str | os.PathLike[str],
    latents: ArrayLike,
    labels: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    anchors: ArrayLike | None = None,
    anchor: ArrayLike | None = None,
) -> Path:
    """Draw latents on the plane of their two greatest variances, with the anchors, as a PNG.

    `latents` (B, D) are coloured by `labels` (B,), indices into `names`; without labels, by anchor.
    `anchors` (M, D) are stars with their index, larger the more latents are theirs by `anchor`
    (B,) (None: the nearest one's), hollow without any. An ellipse is the Gaussian of an anchor's
    latents on this plane, at two standard deviations. Anchors without latents that lie beyond all
    others are only counted.

    Raises ValueError on shapes that do not fit together and on NaN or inf, MissingExtra without
    matplotlib, and OSError where the file cannot be written.
    """
    points = latent_rows(latents)
    places = np.zeros((0, points.shape[1])) if anchors is None else floats(anchors, "anchors")
    if places.ndim != 2 or places.shape[1] != points.shape[1]:
        raise ValueError(f"anchors must be (M, {points.shape[1]}), got {places.shape}")
    if anchor is not None:
        owner = indices(anchor, "anchor", len(points), len(places) or None)
    else:
        owner = _nearest(points, places)
    if labels is None:
        groups, names = owner, None
    else:
        groups = indices(labels, "labels", len(points), None if names is None else len(names))
        names = [str(i) for i in range(groups.max() + 1)] if names is None else names
    at, to_map, share = project(points)
    # The legend stands beside the map, as wide as its names need.
    columns = ceil((0 if names is None else len(np.unique(groups))) / _LINES) or 1
    longest = max((len(name) for name in names or ()), default=0)
    side = columns * (0.6 + 0.08 * min(max(longest, 16), 40))
    figure = new_figure(7.0 + side, 6.2)
    axis = figure.add_axes((0.02, 0.02, 6.9 / (7.0 + side), 0.92))
    style: dict[str, Any] = {"s": 18 if len(at) < 5000 else 7, "linewidths": 0, "alpha": 0.8}
    if names is None:
        axis.scatter(*at.T, color=np.array(COLOURS)[groups % len(COLOURS)], **style)
    else:
        for index in np.unique(groups):
            axis.scatter(
                *at[groups == index].T,
                marker=_SHAPES[index // len(COLOURS) % len(_SHAPES)],
                color=COLOURS[index % len(COLOURS)],
                label=names[index],
                **style,
            )
    axis.set_aspect("equal", adjustable="datalim")
    if len(places):
        _draw_anchors(axis, to_map(places), at, owner)
    axis.set(xticks=[], yticks=[])
    shown = f" ({share:.0%} of the variance)" if points.shape[1] > 2 else ""
    tidy(axis, f"Latent space: first two principal components{shown}")
    if axis.get_legend_handles_labels()[1]:
        axis.legend(
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=SMALL,
            ncols=columns,
            handletextpad=0.4,
        )
    return save(figure, path)


def project(latents: Floats) -> tuple[Floats, Callable[[Floats], Floats], float]:
    """Latents (B, D) on the plane of their two greatest variances, (B, 2), the way there, and the
    share of the variance that the plane holds."""
    centre = latents.mean(0)
    # Scaled, because the squares of large values would overflow.
    scale = np.abs(latents - centre).max() or 1.0
    _, values, rows = np.linalg.svd((latents - centre) / scale, full_matrices=False)
    rows = np.vstack([rows[:2], np.zeros((2 - len(rows[:2]), latents.shape[1]))])  # (2, D)
    # A singular vector's sign is arbitrary; this choice makes the map the same everywhere.
    largest = rows[[0, 1], np.abs(rows).argmax(1)]
    plane = (rows * np.where(largest < 0, -1, 1)[:, None]).T  # (D, 2)

    def to_map(others: Floats) -> Floats:
        return (others - centre) @ plane

    variances = values**2
    share = float(variances[:2].sum() / variances.sum()) if variances.any() else 1.0
    return to_map(latents), to_map, share


def _nearest(points: Floats, places: Floats) -> Integers:
    """Index (B,) of the nearest of the places (M, D), the lowest on ties; 0 without places."""
    if len(places) == 0:
        return np.zeros(len(points), np.int64)
    import torch

    from nvc3d import ops

    return ops.assign_anchors(torch.from_numpy(points), torch.from_numpy(places)).index.numpy()


def _draw_anchors(axis: Any, places: Floats, at: Floats, owner: Integers) -> None:
    """Stars at the places (M, 2) with their index, and the Gaussians of their latents (B, 2)."""
    count = np.bincount(owner, minlength=len(places))
    used = count > 0
    everything = np.concatenate([at, places[used]])
    low, high = everything.min(0), everything.max(0)
    margin = 0.15 * (high - low).max() or 1.0
    near = ((places >= low - margin) & (places <= high + margin)).all(1)
    smaller = min(1.0, 6 / len(places) ** 0.5)
    size = smaller * (60 + 200 * count / max(count.max(), 1))
    stars = {"marker": "*", "linewidths": 0.8 * smaller, "zorder": 4}
    if used.any():
        axis.scatter(*places[used].T, s=size[used], color="black", edgecolors="white", **stars)
    hollow = near & ~used
    axis.scatter(*places[hollow].T, s=60 * smaller, color="none", edgecolors="0.5", **stars)
    _draw_gaussians(axis, at, owner, count, len(places))
    axis.scatter([], [], s=90, marker="*", color="black", label="anchor")
    if not used.all():
        beyond = "" if near.all() else f"\n({(~near).sum()} beyond the map)"
        name = f"{(~used).sum()} without latents{beyond}"
        axis.scatter([], [], s=90, marker="*", color="none", edgecolors="0.5", label=name)
    if len(places) <= _NUMBERED:
        outline = require("matplotlib.patheffects", "to draw pictures").withStroke
        for index in np.flatnonzero(near):
            axis.annotate(
                str(index),
                places[index],
                (5, 5),
                textcoords="offset points",
                fontsize=SMALL - 1,
                color="black",
                zorder=5,
                path_effects=[outline(linewidth=2, foreground="white")],
            )


def _draw_gaussians(axis: Any, at: Floats, owner: Integers, count: Integers, anchors: int) -> None:
    """Ellipses of two standard deviations around the means of the latents (B, 2) of each anchor."""
    centres, axes, angles = [], [], []
    # Two points have no extent across.
    for index in np.flatnonzero(count > 2):
        members = at[owner == index]
        values, vectors = np.linalg.eigh(np.cov(members.T, bias=True))
        centres.append(members.mean(0))
        axes.append(4 * np.sqrt(np.maximum(values, 0)))
        angles.append(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
    if not centres:
        return
    collections = require("matplotlib.collections", "to draw pictures")
    widths, heights = np.array(axes).T
    axis.add_collection(
        collections.EllipseCollection(
            widths,
            heights,
            angles,
            units="xy",
            offsets=np.array(centres),
            offset_transform=axis.transData,
            facecolors="none",
            edgecolors=INK,
            linewidths=0.9 if anchors <= _NUMBERED else 0.3,
            alpha=0.7 if anchors <= _NUMBERED else 0.3,
            zorder=3,
        )
    )
    axis.plot([], [], color=INK, linewidth=0.9, label="its latents, 2 σ")
