"""What a model of topics is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nvc3d.adapters.text.topics.model import TopicsModel
from nvc3d.tasks.task import Batch


def loss(model: TopicsModel, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the texts whose label is used, the bottleneck's losses and, weighted by
    `words`, the nats of a text's pieces."""
    read = model(model.numbers(batch["text"]))
    terms = {"nebula": model.bottleneck.losses(read.code).total}
    if read.scores is not None:
        used = torch.tensor(batch["labelled"])
        label = model.told(
            [name if use else "" for name, use in zip(batch["label"], used, strict=True)]
        ).to(read.scores.device)
        missed = cross_entropy(read.scores.float(), label, ignore_index=-1, reduction="sum")
        terms["cross_entropy"] = missed / used.sum().clamp_min(1)
    if read.nats is not None:
        terms["words"] = model.weight * read.nats.mean()
    return {"total": torch.stack(list(terms.values())).sum(), **terms}
