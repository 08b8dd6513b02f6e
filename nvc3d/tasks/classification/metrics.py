"""How often categories are told right, and how well codes find others of their category."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from nvc3d.metrics import Confusion, average_precision
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.classification.predict import predict
from nvc3d.tasks.task import Batch, Measure, Measured, Table

MEASURES = (
    Measure("accuracy"),
    Measure("mean class accuracy"),
    Measure("weighted F1"),
    Measure("retrieval mAP"),
)


def metrics(
    model: ClassificationModel, batches: Iterable[Batch], categories: Sequence[str]
) -> Measured:
    """Accuracy, mean class accuracy, weighted F1 and mean average precision (mAP) of retrieval: of
    all clouds, and of each category's.

    A category's F1 counts the clouds that are taken for it, too. Retrieval is among the clouds
    measured, by the distance between the means of their codes.

    Raises ValueError where there is nothing to measure, or a category that the model does not know.
    """
    found = predict(model, batches, categories)
    precision = average_precision(found.codes.mean, found.truth)  # (B,)

    def table(chosen: Tensor, f1: float) -> Table:
        confusion = Confusion(len(model.categories))
        confusion.add(found.prediction[chosen], found.truth[chosen])
        retrieval = float(precision[chosen].nanmean())
        values = (confusion.accuracy, confusion.mean_accuracy, f1, retrieval)
        names = (measure.name for measure in MEASURES)
        return {"classification": dict(zip(names, values, strict=True))}

    whole = Confusion(len(model.categories))
    whole.add(found.prediction, found.truth)
    overall = table(torch.ones_like(found.truth, dtype=torch.bool), whole.weighted_f1)
    by_category = {
        name: table(found.truth == label, float(whole.f1[label]))
        for label, name in enumerate(model.categories)
        if bool((found.truth == label).any())
    }
    return Measured(overall, {"category": by_category}, found)
