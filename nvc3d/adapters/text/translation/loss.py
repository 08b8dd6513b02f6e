"""What a translator is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nvc3d.adapters.text.translation.model import TranslationModel
from nvc3d.tasks.task import Batch


def loss(model: TranslationModel, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the pieces of translations, smoothed in training, and the bottleneck's own
    losses where its code tells more nats than are free."""
    told = model(model.numbers(batch["source"]), model.numbers(batch["target"]))
    smoothing = model.label_smoothing if model.training else 0.0
    terms = {
        "cross_entropy": cross_entropy(told.scores.float(), told.wanted, label_smoothing=smoothing)
    }
    if told.code is not None and model.bottleneck is not None:
        nebula = model.bottleneck.losses(told.code)
        # Not times zero: the head measures its scale by what comes back through its total.
        free = bool(nebula.kl < model.free_bits)
        terms["nebula"] = torch.zeros_like(nebula.total) if free else nebula.total
        terms["kl"] = nebula.kl.detach()
    return {"total": terms["cross_entropy"] + terms.get("nebula", 0.0), **terms}
