"""What a model says of all clouds of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.shown import Codes
from nvc3d.tasks.task import Batch, evaluating


class Predicted(NamedTuple):
    """All clouds of a split; labels are indices into the model's own categories."""

    prediction: Tensor  # (B,) int64
    truth: Tensor  # (B,) int64
    codes: Codes


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
    codes, predictions, truths = Codes(), [], []
    with evaluating(model) as device:
        for batch in batches:
            result = model(batch["points"].to(device), batch["size"].to(device))
            truth = own[batch["label"].cpu()]
            predictions.append(result.scores.argmax(-1).cpu())
            truths.append(truth)
            codes.add(result.code, truth)
    if not truths:
        raise ValueError("there is nothing to classify: the split has no shapes")
    return Predicted(torch.cat(predictions), torch.cat(truths), codes)
