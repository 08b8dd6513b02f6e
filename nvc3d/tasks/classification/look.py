"""What tells categories apart beside their form: a look at the shapes of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan

import numpy as np
import torch
from torch import Tensor

from nvc3d.data.labelled.scans import Shapes
from nvc3d.geometry.principal import principal_frames
from nvc3d.tasks.classification.config import ClassificationConfig
from nvc3d.tasks.classification.data import ClassifiedClouds
from nvc3d.tasks.task import Splits

LOOKED = 600
"""Shapes that are looked at, at most."""
POINTS = 512
CELLS = 6
"""Along each side of the grid in which their points are counted."""


def look(config: ClassificationConfig, splits: Splits) -> Splits:
    """The splits, their vocabulary with the axes along which shapes are to be seen and the sizes
    that tell them apart, where the config leaves that to the data; the axes given and no sizes
    where no shape is labelled. Nothing is read where nothing is left to the data."""
    asked = config.axes == "auto" or config.size
    if not (asked and isinstance(splits.train, ClassifiedClouds) and splits.train.labelled):
        return splits
    rng = np.random.default_rng(config.seed)
    known = sorted(splits.train.labelled)
    chosen = [known[i] for i in rng.permutation(len(known))[:LOOKED]]
    clouds, sizes, labels = _drawn(splits.train.shapes, chosen, rng)
    sized = told_by_size(sizes, labels)
    vocabulary = replace(
        splits.vocabulary,
        principal=along_principal_axes(clouds, labels),
        sizes=(float(sizes.min()), float(sizes.max())) if sized else None,
    )
    return replace(splits, vocabulary=vocabulary)


def along_principal_axes(clouds: Tensor, labels: Tensor) -> bool:
    """Whether the categories (n,) of clouds (n, N, 3) are told better along principal axes than
    along those given: by the nearest other cloud, compared as counts in a coarse grid.

    Better by more than two standard errors of the difference; few clouds are left as they are.
    """
    given = _told(clouds[None], labels)
    principal = _told(principal_frames(clouds), labels)
    more = int((principal & ~given).sum() - (given & ~principal).sum())
    return more > 2 * int((principal ^ given).sum()) ** 0.5


def told_by_size(sizes: Tensor, labels: Tensor) -> bool:
    """Whether the shape nearest in size (n,) has the same label (n,) more often than chance would
    have it, by more than three standard errors; not where a size is unknown."""
    if bool(sizes.isnan().any()):
        return False
    apart = (sizes.log()[:, None] - sizes.log()).abs().fill_diagonal_(torch.inf)
    hits = int((labels[apart.argmin(1)] == labels).sum())
    chance = float((labels.bincount() / len(labels)).square().sum())
    deviation = (len(labels) * chance * (1 - chance)) ** 0.5
    return hits > len(labels) * chance + 3 * deviation


def _told(views: Tensor, labels: Tensor) -> Tensor:
    """Whether the nearest other cloud (n,), in the best of its views (V, n, N, 3), has the same
    label as one in its first view."""
    counts = torch.stack([_counts(view) for view in views])
    alike = (counts[0] @ counts.transpose(1, 2)).amax(0)  # (n, n), Bhattacharyya's coefficient
    alike.fill_diagonal_(-1)
    return labels[alike.argmax(1)] == labels


def _counts(clouds: Tensor) -> Tensor:
    """Square roots of the shares (n, CELLS^3) of a cloud's points in the cells of its grid."""
    centred = clouds - clouds.mean(1, keepdim=True)
    radius = torch.linalg.vector_norm(centred, dim=-1).amax(1)[:, None, None]
    cell = ((centred / radius + 1) / 2 * CELLS).long().clamp(0, CELLS - 1)
    flat = (cell[..., 0] * CELLS + cell[..., 1]) * CELLS + cell[..., 2]
    counts = clouds.new_zeros(len(clouds), CELLS**3)
    counts.scatter_add_(1, flat, torch.ones_like(flat, dtype=counts.dtype))
    return (counts / clouds.shape[1]).sqrt()


def _drawn(
    shapes: Shapes, chosen: Sequence[int], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Points (n, POINTS, 3) of shapes, their sizes (n,), NaN if unknown, and their labels (n,)."""
    clouds, sizes, labels = [], [], []
    for index in chosen:
        shape, label, _ = shapes[index]
        clouds.append(torch.from_numpy(shape.sample(POINTS, rng)[0]))
        sizes.append(getattr(shape, "unit", None) or nan)
        labels.append(label)
    return torch.stack(clouds).double(), torch.tensor(sizes), torch.tensor(labels)
