"""Topics: from texts to a code, and from that to a label, to their words, or to an anchor."""

from __future__ import annotations

from nvc3d.adapters.labelled import MEASURES, pictures
from nvc3d.adapters.text.topics.answer import answer
from nvc3d.adapters.text.topics.config import TopicsConfig
from nvc3d.adapters.text.topics.data import data
from nvc3d.adapters.text.topics.listing import topics
from nvc3d.adapters.text.topics.loss import loss
from nvc3d.adapters.text.topics.metrics import metrics
from nvc3d.adapters.text.topics.model import TopicsModel
from nvc3d.config import TrainConfig
from nvc3d.tasks.task import Task

TASK = Task(
    name="topics",
    config=TopicsConfig,
    data=data,
    model=TopicsModel,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    # One item is one batch.
    training=TrainConfig(steps=1500, batch_size=1, save_every=500),
    answer=answer,
    of_shapes=False,
    end=topics,
)

__all__ = ["TASK", "TopicsConfig", "TopicsModel"]
