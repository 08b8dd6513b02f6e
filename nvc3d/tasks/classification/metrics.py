"""How often categories are told right, and how well codes find others of their category."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from nvc3d.metrics import Confusion, average_precision
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.classification.predict import predict
from nvc3d.tasks.task import Batch, Measure, Measured, Table

MEASURES = (Measure("accuracy"), Measure("mean class accuracy"), Measure("retrieval mAP"))


def metrics(
    model: ClassificationModel, batches: Iterable[Batch], categories: Sequence[str]
) -> Measured:
    """Accuracy, mean class accuracy and mean average precision (mAP) of retrieval: of all clouds,
    and of each category's.

    Retrieval is among the clouds measured, by the distance between the means of their codes.

    Raises ValueError where there is nothing to measure, or a category that the model does not know.
    """
    found = predict(model, batches, categories)
    precision = average_precision(found.codes.mean, found.truth)  # (B,)

    def table(chosen: Tensor) -> Table:
        confusion = Confusion(len(model.categories))
        confusion.add(found.prediction[chosen], found.truth[chosen])
        values = (confusion.accuracy, confusion.mean_accuracy, float(precision[chosen].nanmean()))
        names = (measure.name for measure in MEASURES)
        return {"classification": dict(zip(names, values, strict=True))}

    overall = table(torch.ones_like(found.truth, dtype=torch.bool))
    by_category = {
        name: table(found.truth == label)
        for label, name in enumerate(model.categories)
        if bool((found.truth == label).any())
    }
    return Measured(overall, {"category": by_category}, found)
