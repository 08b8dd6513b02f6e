"""Along which axes categories are told apart best: a look at the shapes of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
    """The splits, with the axes chosen where the config leaves them to the data."""
    if config.axes != "auto" or not isinstance(splits.train, ClassifiedClouds):
        return splits
    rng = np.random.default_rng(config.seed)
    known = sorted(splits.train.labelled)
    chosen = [known[i] for i in rng.permutation(len(known))[:LOOKED]]
    clouds, labels = _drawn(splits.train.shapes, chosen, rng)
    principal = along_principal_axes(clouds, labels)
    return replace(splits, vocabulary=replace(splits.vocabulary, principal=principal))


def along_principal_axes(clouds: Tensor, labels: Tensor) -> bool:
    """Whether the categories (n,) of clouds (n, N, 3) are told better along principal axes than
    along those given: by the nearest other cloud, compared as counts in a coarse grid.

    Better by more than two standard errors of the difference; few clouds are left as they are.
    """
    given = _told(clouds[None], labels)
    principal = _told(principal_frames(clouds), labels)
    more = int((principal & ~given).sum() - (given & ~principal).sum())
    return more > 2 * int((principal ^ given).sum()) ** 0.5


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
) -> tuple[Tensor, Tensor]:
    """Points (n, POINTS, 3) of shapes, and their labels (n,)."""
    clouds, labels = [], []
    for index in chosen:
        shape, label, _ = shapes[index]
        clouds.append(torch.from_numpy(shape.sample(POINTS, rng)[0]))
        labels.append(label)
    return torch.stack(clouds).double(), torch.tensor(labels)
