"""How often categories are told right, and how well codes find others of their category."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from nvc3d.metrics import Confusion, average_precision
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.classification.predict import predict
from nvc3d.tasks.task import Batch, Table


def metrics(
    model: ClassificationModel, batches: Iterable[Batch], categories: Sequence[str]
) -> dict[str, Table]:
    """Accuracy, mean class accuracy and mean average precision (mAP) of retrieval: of all clouds,
    under "all", and of each category's.

    Retrieval is among the clouds measured, by the distance between the means of their codes.

    Raises ValueError where there is nothing to measure, or a category that the model does not know.
    """
    found = predict(model, batches, categories)
    precision = average_precision(found.codes, found.truth)  # (B,)
    tables = {}
    for name in ("all", *model.categories):
        chosen = (
            torch.ones_like(found.truth, dtype=torch.bool)
            if name == "all"
            else found.truth == model.categories.index(name)
        )
        if not bool(chosen.any()):
            continue
        confusion = Confusion(len(model.categories))
        confusion.add(found.prediction[chosen], found.truth[chosen])
        tables[name] = {
            "classification": {
                "accuracy": confusion.accuracy,
                "mean class accuracy": confusion.mean_accuracy,
                "retrieval mAP": float(precision[chosen].nanmean()),
            }
        }
    return tables
