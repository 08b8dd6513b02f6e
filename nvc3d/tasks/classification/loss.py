"""What a classifier is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nvc3d import ops
from nvc3d.nebula import Code
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.task import Batch


def loss(model: ClassificationModel, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the labelled clouds, the nebula's losses and, where clouds are decoded,
    their squared Chamfer distance to those that the encoder saw, weighted by `reconstruct`.

    Of two views, the means of both; the nebula compares one with the other where the model is to
    learn from few labels.
    """
    clouds = [batch[name] for name in ("points", "other_view") if name in batch]
    results = [model(cloud, batch["size"]) for cloud in clouds]
    codes = [result.code for result in results]
    if model.few_labels and len(codes) == 2:
        nebula = model.bottleneck.losses(codes[0], view=codes[1])
    else:
        nebula = model.bottleneck.losses(Code.joined(codes))
    labelled = batch["labelled"]  # (B,) bool
    # A label that is not to be known is not even looked at.
    label = torch.where(labelled, batch["label"], 0)
    missed = torch.stack(
        [cross_entropy(result.scores.float(), label, reduction="none") for result in results]
    ).mean(0)  # (B,)
    terms = {
        "cross_entropy": (missed * labelled).sum() / labelled.sum().clamp_min(1),
        "nebula": nebula.total,
    }
    if model.reconstruct > 0:
        distances = [
            ops.chamfer_distance(result.decoded.to(result.seen.dtype), result.seen)
            for result in results
        ]
        terms["reconstruction"] = model.reconstruct * torch.stack(distances).mean()
    return {"total": torch.stack(list(terms.values())).sum(), **terms}
