"""Planes: from points to the planes that they are on, those too that lie flush with others."""

from __future__ import annotations

from nvc3d.config import TrainConfig
from nvc3d.tasks.planes.answer import PlanesAnswer, answer
from nvc3d.tasks.planes.config import PlanesConfig
from nvc3d.tasks.planes.data import data
from nvc3d.tasks.planes.loss import loss
from nvc3d.tasks.planes.metrics import MEASURES, metrics
from nvc3d.tasks.planes.model import PlanesModel, PointPlanes
from nvc3d.tasks.planes.pictures import pictures
from nvc3d.tasks.planes.program import program
from nvc3d.tasks.task import Task

TASK = Task(
    name="planes",
    config=PlanesConfig,
    data=data,
    model=PlanesModel,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    answer=answer,
    program=program,
    training=TrainConfig(steps=3000, batch_size=8, learning_rate=3e-3),
)

__all__ = ["TASK", "PlanesAnswer", "PlanesConfig", "PlanesModel", "PointPlanes"]
