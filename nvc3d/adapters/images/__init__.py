"""Images: from pixels to a code, and from that to a category, to the image, or to an anchor."""

from __future__ import annotations

from nvc3d.adapters.images.answer import answer
from nvc3d.adapters.images.config import ImagesConfig
from nvc3d.adapters.images.data import data
from nvc3d.adapters.images.loss import loss
from nvc3d.adapters.images.metrics import metrics
from nvc3d.adapters.images.model import ImagesModel
from nvc3d.adapters.images.pictures import pictures
from nvc3d.adapters.images.reading import SUFFIXES
from nvc3d.adapters.labelled import MEASURES
from nvc3d.config import TrainConfig
from nvc3d.tasks.task import Task

TASK = Task(
    name="images",
    config=ImagesConfig,
    data=data,
    model=ImagesModel,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    training=TrainConfig(steps=1500, batch_size=250),
    answer=answer,
    of_shapes=False,
    suffixes=SUFFIXES,
)

__all__ = ["TASK", "ImagesConfig", "ImagesModel"]
