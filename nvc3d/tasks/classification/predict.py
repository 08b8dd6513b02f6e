"""What a model says of all clouds of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.task import Batch


class Predicted(NamedTuple):
    """All clouds of a split; labels are indices into the model's own categories."""

    prediction: Tensor  # (B,) int64
    truth: Tensor  # (B,) int64
    codes: Tensor  # (B, D): means
    anchor: Tensor  # (B,) int64


@torch.no_grad()
def predict(
    model: ClassificationModel, batches: Iterable[Batch], categories: Sequence[str]
) -> Predicted:
    """Classify all clouds, in evaluation mode; `categories` are those of the batches' labels.

    Raises ValueError where there are no clouds, or a category that the model does not know.
    """
    if unknown := sorted(set(categories) - set(model.categories)):
        raise ValueError(
            f"the model does not know the categories {', '.join(unknown)}; "
            f"it knows {', '.join(model.categories)}"
        )
    own = torch.tensor([model.categories.index(name) for name in categories])
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    rows = []
    for batch in batches:
        result = model(batch["points"].to(device))
        rows.append(
            (
                result.scores.argmax(-1).cpu(),
                own[batch["label"].cpu()],
                result.code.mean.float().cpu(),
                result.code.anchor.cpu(),
            )
        )
    model.train(was_training)
    if not rows:
        raise ValueError("there is nothing to classify: the split has no shapes")
    return Predicted(*(torch.cat(column) for column in zip(*rows, strict=True)))
