"""What a classifier does, to look at."""

from __future__ import annotations

from pathlib import Path

from nvc3d.metrics import Confusion
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.classification.predict import Predicted
from nvc3d.tasks.task import Picture
from nvc3d.viz import draw_confusion


def pictures(model: ClassificationModel, found: Predicted, folder: Path) -> list[Picture]:
    """Draw `confusion.png`, which category is taken for which, and `latents.png`, the map of all
    codes with the anchors, if there are any.

    Raises OSError where a file cannot be written.
    """
    confusion = Confusion(len(model.categories))
    confusion.add(found.prediction, found.truth)
    path = draw_confusion(folder / "confusion.png", confusion.counts, model.categories)
    return [
        Picture(path, "Which category (rows) is taken for which (columns)."),
        found.codes.draw(model, model.categories, folder / "latents.png"),
    ]
