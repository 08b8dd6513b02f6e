"""Segmentation: from points to the part, or the thing, that each belongs to."""

from __future__ import annotations

from nvc3d.tasks.segmentation.answer import SegmentationAnswer, answer
from nvc3d.tasks.segmentation.config import SegmentationConfig
from nvc3d.tasks.segmentation.data import data
from nvc3d.tasks.segmentation.evaluate import OPTIONS, evaluate
from nvc3d.tasks.segmentation.loss import loss
from nvc3d.tasks.segmentation.metrics import MEASURES, metrics
from nvc3d.tasks.segmentation.model import Segmentation, SegmentationModel
from nvc3d.tasks.segmentation.pictures import pictures
from nvc3d.tasks.segmentation.program import program
from nvc3d.tasks.task import Task

TASK = Task(
    name="segmentation",
    config=SegmentationConfig,
    data=data,
    model=SegmentationModel,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    evaluate=evaluate,
    options=OPTIONS,
    answer=answer,
    program=program,
)

__all__ = [
    "TASK",
    "Segmentation",
    "SegmentationAnswer",
    "SegmentationConfig",
    "SegmentationModel",
    "answer",
]
