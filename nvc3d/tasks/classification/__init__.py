"""Classification: from points to the category of their shape, learned from all labels or few."""

from __future__ import annotations

from nvc3d.tasks.classification.answer import ClassificationAnswer, answer
from nvc3d.tasks.classification.ask import ask
from nvc3d.tasks.classification.config import ClassificationConfig
from nvc3d.tasks.classification.data import data
from nvc3d.tasks.classification.look import look
from nvc3d.tasks.classification.loss import loss
from nvc3d.tasks.classification.metrics import MEASURES, metrics
from nvc3d.tasks.classification.model import Classification, ClassificationModel
from nvc3d.tasks.classification.pictures import pictures
from nvc3d.tasks.classification.program import program
from nvc3d.tasks.task import Task

TASK = Task(
    name="classification",
    config=ClassificationConfig,
    data=data,
    model=ClassificationModel,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    answer=answer,
    program=program,
    look=look,
    end=ask,
)

__all__ = [
    "TASK",
    "Classification",
    "ClassificationAnswer",
    "ClassificationConfig",
    "ClassificationModel",
]
