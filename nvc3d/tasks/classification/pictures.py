"""What a classifier does, to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nvc3d.metrics import Confusion
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.classification.predict import predict
from nvc3d.tasks.task import Batch
from nvc3d.viz import draw_confusion, draw_latents


def pictures(
    model: ClassificationModel, batches: Iterable[Batch], categories: Sequence[str], folder: Path
) -> list[Path]:
    """Draw `confusion.png`, which category is taken for which, and `latents.png`, the map of all
    codes with the anchors, if there are any.

    Raises ValueError where there is nothing to draw, or a category that the model does not know,
    and OSError where a file cannot be written.
    """
    found = predict(model, batches, categories)
    confusion = Confusion(len(model.categories))
    confusion.add(found.prediction, found.truth)
    return [
        draw_confusion(folder / "confusion.png", confusion.counts, model.categories),
        draw_latents(
            folder / "latents.png",
            found.codes,
            found.truth,
            model.categories,
            model.nebula.anchors,
            found.anchor,
        ),
    ]
