"""What planes are trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, relu

from nvc3d.tasks.planes.model import PlanesModel
from nvc3d.tasks.task import Batch

WITHIN, APART = 0.5, 3.0
"""Embeddings of a plane within so much of their mean cost nothing, nor do the means of two planes
so far apart."""
OFFSET = 0.5
"""Weight of a metre of the offset beside the normals."""
EXEMPLAR = 0.1
"""Weight of the anchors' planes."""


def loss(model: PlanesModel, batch: Batch) -> dict[str, Tensor]:
    """How far embeddings are from the mean of their plane, and how near the means of planes of a
    cloud are to each other (De Brabandere, Neven, Van Gool, "Semantic Instance Segmentation with a
    Discriminative Loss Function", 2017); cross-entropy of the types; distances to the true normals
    and offsets; and the nebula's losses."""
    result = model(batch["points"], batch.get("features"))
    there = batch["instance"] >= 0
    none = len(model.vocabulary.labels)
    types = torch.where(there, batch["point_types"], none)
    scores = result.scores.flatten(0, 1)
    weight = small_heavier(batch["instance"]).flatten()
    pull, push = told_apart(result.embedding, batch["instance"])
    true = result.frame.planes(batch["normal"], batch["offset"])
    own = result.frame.planes(result.normal, result.offset)
    terms = {
        "pull": pull,
        "push": push,
        "types": (weight * cross_entropy(scores, types.flatten(), reduction="none")).sum(),
        "planes": mean(apart(*own, *true), there),
    }
    if result.exemplar is not None:
        anchored = result.exemplar[..., :3], result.exemplar[..., 3]
        terms["exemplars"] = EXEMPLAR * mean(apart(*anchored, *true), there)
    terms["nebula"] = model.bottleneck.losses(result.code).total
    return {"total": torch.stack(list(terms.values())).sum(), **terms}


def told_apart(embedding: Tensor, instance: Tensor) -> tuple[Tensor, Tensor]:
    """How far embeddings (B, N, E) are from the mean of their plane (B, N), -1 for none, beyond
    `WITHIN`, and how much nearer than `APART` the means of planes of a cloud are: squares, mean
    over planes and over pairs."""
    there = instance >= 0
    cloud = torch.arange(len(instance), device=instance.device)[:, None].expand_as(instance)[there]
    rows = embedding[there]  # (P, E)
    if not len(rows):
        return embedding.sum() * 0, embedding.sum() * 0
    key = cloud * (int(instance.max()) + 1) + instance[there]
    keys, own = key.unique(return_inverse=True)
    size = torch.bincount(own).to(rows)  # (K,)
    means = rows.new_zeros(len(keys), rows.shape[1]).index_add(0, own, rows) / size[:, None]
    off = relu(distance(rows, means[own]) - WITHIN).square() / size[own]
    of = keys // (int(instance.max()) + 1)
    pairs = (of[:, None] == of).triu(1).nonzero(as_tuple=True)
    near = relu(APART - distance(means[pairs[0]], means[pairs[1]])).square()
    return off.sum() / len(keys), near.sum() / max(len(near), 1)


def small_heavier(instance: Tensor) -> Tensor:
    """Weights (B, N) of points, 1 in all: by the inverse root of how many are on the same plane of
    the same cloud, (B, N), or in none."""
    cloud = torch.arange(len(instance), device=instance.device)[:, None].expand_as(instance)
    key = cloud * (int(instance.max()) + 2) + instance + 1
    _, own, size = key.unique(return_inverse=True, return_counts=True)
    weight = size.to(torch.float32).rsqrt()[own]
    return weight / weight.sum()


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Plain distances (...) of rows (..., E), with a gradient where they are 0."""
    return ((one - other).square().sum(-1) + 1e-8).sqrt()


def apart(normal: Tensor, offset: Tensor, true: Tensor, true_offset: Tensor) -> Tensor:
    """How far planes are from the true ones: the plain distance of their normals, and `OFFSET`
    times that of their offsets; (...)."""
    return distance(normal, true) + OFFSET * (offset - true_offset).abs()


def mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of the values in a mask of the same shape; 0 where it is empty."""
    return torch.where(mask, values, 0).sum() / mask.sum().clamp_min(1)
