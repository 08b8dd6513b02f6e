"""What is measured of things of which some have a label: images and texts alike."""

from __future__ import annotations

from torch import Tensor

from nvc3d.metrics import Confusion
from nvc3d.tasks.task import Measure

MEASURES = (
    Measure("accuracy"),
    Measure("mean class accuracy"),
    Measure("purity"),
    Measure("Hungarian"),
    Measure("NMI"),
    Measure("nats", 2, lower_is_better=True, unit="nats"),
)


def hits(prediction: Tensor, truth: Tensor, categories: int) -> dict[str, float]:
    """Accuracy and mean class accuracy of predictions (B,) beside labels (B,)."""
    confusion = Confusion(categories)
    confusion.add(prediction, truth)
    return {"accuracy": confusion.accuracy, "mean class accuracy": confusion.mean_accuracy}
