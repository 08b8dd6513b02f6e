"""Translation: from sentences of one language to those of another, learned from pairs of them."""

from __future__ import annotations

from nvc3d.adapters.text.translation.answer import Translation, answer
from nvc3d.adapters.text.translation.config import TranslationConfig
from nvc3d.adapters.text.translation.data import data, evaluate
from nvc3d.adapters.text.translation.loss import loss
from nvc3d.adapters.text.translation.metrics import MEASURES, metrics
from nvc3d.adapters.text.translation.model import TranslationModel
from nvc3d.adapters.text.translation.pictures import pictures
from nvc3d.config import TrainConfig
from nvc3d.tasks.task import Option, Task

TASK = Task(
    name="translation",
    config=TranslationConfig,
    data=data,
    model=TranslationModel,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    # A batch is made by pieces, not by sentences: one item is one batch.
    training=TrainConfig(steps=6000, batch_size=1, learning_rate=3e-3, save_every=500),
    evaluate=evaluate,
    options=(Option("test", "measure on the test files of the folder (translation)"),),
    answer=answer,
    of_shapes=False,
)

__all__ = ["TASK", "Translation", "TranslationConfig", "TranslationModel"]
