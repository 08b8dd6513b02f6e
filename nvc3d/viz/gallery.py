"""What each anchor stands for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from nvc3d import ops
from nvc3d.nebula import Nebula
from nvc3d.viz.arrays import floats, latent_rows
from nvc3d.viz.table import Samples, as_samples, decoded, save_table
from nvc3d.viz.thumbnails import Picture, by_shape, checked

_SHOWN, _DRAWN, _NEAREST = 60, 3, 4


def draw_gallery(
    path: str | os.PathLike[str],
    nebula: Nebula,
    decode: Callable[[Tensor], Tensor],
    samples: Samples,
    latents: ArrayLike,
    *,
    picture: Picture | None = None,
) -> Path:
    """Draw each anchor decoded, latents drawn from its Gaussian decoded, and the nearest samples.

    `decode` makes samples of embeddings (n, D + M): the decoder, in evaluation mode, with whatever
    brings its output into the range of `samples`. These are B clouds, images or voxels, which may
    differ in their number of points, with their `latents` (B, D), means of the posterior. How one
    is drawn is told by its shape (see `thumbnails.by_shape`), or by `picture`, from a sample to
    (H, W) or (H, W, 3) in 0 to 1. Each row has the anchor's number and how many of the samples are
    its own, which is 0 for an empty one. Of more than 60 anchors those with most are shown.

    Raises ValueError on shapes that do not fit together and on NaN or inf, MissingExtra without
    matplotlib, and OSError where the file cannot be written.
    """
    points = latent_rows(latents)
    if points.shape[1] != nebula.latent_dim or len(points) != len(samples):
        raise ValueError(
            f"latents must be ({len(samples)}, {nebula.latent_dim}) for the samples and the nebula,"
            f" got {points.shape}"
        )
    data = as_samples(samples)
    anchors = torch.from_numpy(floats(nebula.anchors, "the nebula's anchors"))
    rows = torch.from_numpy(points)
    owner = ops.assign_anchors(rows, anchors).index
    count = np.bincount(owner.numpy(), minlength=len(anchors))
    shown = np.sort(np.argsort(-count, kind="stable")[:_SHOWN])
    _, nearest = ops.knn(anchors[shown][None], rows[None], min(_NEAREST, len(points)))  # (1, S, K)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        drawn = [nebula.sample(int(k), _DRAWN, generator) for k in shown]
        embeddings = torch.cat([nebula.embed(nebula.anchors[shown]), *drawn])
        made = decoded(decode, embeddings, data)
    paint = picture or by_shape(data)
    table = []
    for line, neighbours in enumerate(nearest[0].tolist()):
        first = len(shown) + line * _DRAWN
        items = [made[line], *made[first : first + _DRAWN], *(data[i] for i in neighbours)]
        table.append([checked(paint(item)) for item in items])
    titles = {0: "anchor", 1: "drawn around it", 1 + _DRAWN: "nearest samples"}
    names = [f"{k}\n({count[k]})" for k in shown]
    rest = f", those with most samples of {len(anchors)}" if len(anchors) > _SHOWN else ""
    title = f"{len(shown)} anchor{'s' if len(shown) > 1 else ''}{rest}"
    return save_table(path, table, names, titles, f"{title} (with their number of samples)")
