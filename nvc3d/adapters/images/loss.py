"""What a model of images is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from nvc3d.adapters.images.model import ImagesModel
from nvc3d.tasks.task import Batch


def loss(model: ImagesModel, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the labelled images, the bottleneck's losses and, where images are decoded,
    the nats of an image, weighted by `reconstruct`."""
    seen = model(batch["image"])
    terms = {"nebula": model.bottleneck.losses(seen.code).total}
    if seen.scores is not None:
        labelled = batch["labelled"]  # (B,) bool
        # A label that is not to be known is not even looked at.
        label = torch.where(labelled, batch["label"], 0)
        missed = cross_entropy(seen.scores.float(), label, reduction="none")  # (B,)
        terms["cross_entropy"] = (missed * labelled).sum() / labelled.sum().clamp_min(1)
    if seen.decoded is not None:
        terms["reconstruction"] = model.reconstruct * nats(seen.decoded, seen.image).mean()
    return {"total": torch.stack(list(terms.values())).sum(), **terms}


def nats(decoded: Tensor, image: Tensor) -> Tensor:
    """Negative log likelihood (B,) of images under decoded logits (B, C, H, W), each pixel a
    Bernoulli variable, in nats."""
    each = binary_cross_entropy_with_logits(decoded.float(), image, reduction="none")
    return each.flatten(1).sum(1)
