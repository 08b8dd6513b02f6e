"""Whether the latents are Gaussian in each dimension, and the dimensions independent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nvc3d.viz.arrays import Floats, indices, latent_rows
from nvc3d.viz.figure import COLOURS, INK, SMALL, new_figure, save, tidy


def draw_covariance(
    path: str | os.PathLike[str], latents: ArrayLike, anchor: ArrayLike | None = None
) -> Path:
    """Draw the covariance of latents (B, D), its diagonal and its eigenvalues, as a PNG.

    With `anchor` (B,) also the covariance around the mean of each anchor's latents: what the first
    has more of lies between anchors. Latents of independent dimensions
    have an empty matrix but for the diagonal, and a diagonal that falls as the eigenvalues do.

    Raises ValueError on shapes that do not fit together and on NaN or inf, MissingExtra without
    matplotlib, and OSError where the file cannot be written.
    """
    points = latent_rows(latents)
    matrices = {"all latents": _covariance(points - points.mean(0))}
    if anchor is not None:
        owner = indices(anchor, "anchor", len(points))
        # Numbers of anchors may be any: only which latents share one matters.
        _, owner, count = np.unique(owner, return_inverse=True, return_counts=True)
        sums = np.zeros((len(count), points.shape[1]))
        np.add.at(sums, owner, points)
        matrices["around anchors' means"] = _covariance(points - (sums / count[:, None])[owner])
    columns = len(matrices) + 1
    figure = new_figure(4.1 * columns + 2.4, 3.9)
    figure.set_layout_engine("constrained", wspace=0.06)
    axes = figure.subplots(1, columns)
    for axis, (name, matrix) in zip(axes, matrices.items(), strict=False):
        limit = np.abs(matrix).max() or 1.0
        image = axis.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        ticks = np.unique(np.linspace(0, len(matrix) - 1, 5).astype(int))
        axis.set(xticks=ticks, yticks=ticks)
        tidy(axis, f"Covariance, {name}")
        bar = figure.colorbar(image, ax=axis, fraction=0.046, pad=0.03)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=SMALL, colors=INK)
    _draw_spectrum(axes[-1], matrices)
    return save(figure, path)


def _covariance(rest: Floats) -> Floats:
    return rest.T @ rest / len(rest)


def _draw_spectrum(axis: Any, matrices: dict[str, Floats]) -> None:
    """Diagonals and eigenvalues, falling, each matrix in its colour."""
    top = max(matrix.diagonal().max() for matrix in matrices.values())
    for (name, matrix), colour in zip(matrices.items(), (COLOURS[0], COLOURS[6]), strict=False):
        rank = np.arange(1, len(matrix) + 1)
        style = {"color": colour, "marker": "o" if len(rank) < 3 else None}
        diagonal = np.sort(matrix.diagonal())[::-1]
        values = np.linalg.eigvalsh(matrix)[::-1]
        # Rounding leaves eigenvalues of 0 a little to either side of it.
        axis.plot(rank, np.maximum(diagonal, 1e-6 * top), label=f"diagonal,\n{name}", **style)
        axis.plot(rank, np.maximum(values, 1e-6 * top), ":", label=f"eigenvalues,\n{name}", **style)
    axis.set_yscale("log" if top > 0 else "linear")
    axis.set_xticks(np.unique(np.linspace(1, len(rank), 5).astype(int)))
    axis.set_xlabel("dimension, by rank", fontsize=SMALL, color=INK)
    axis.set_box_aspect(1)
    tidy(axis, "Variances")
    axis.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=SMALL, frameon=False, labelspacing=1
    )
