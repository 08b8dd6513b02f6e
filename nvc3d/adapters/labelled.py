"""What is told of things of which some have a label, and measured: images and texts alike."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from nvc3d.metrics import Confusion, clusters
from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.bottleneck import Bottleneck
from nvc3d.tasks.classification.answer import ClassificationAnswer, answered
from nvc3d.tasks.shown import Codes
from nvc3d.tasks.task import Measure, Picture
from nvc3d.tasks.vocabulary import Vocabulary
from nvc3d.viz import draw_confusion

MEASURES = (
    Measure("accuracy"),
    Measure("mean class accuracy"),
    Measure("purity"),
    Measure("Hungarian"),
    Measure("NMI"),
    Measure("nats", 2, lower_is_better=True, unit="nats"),
)
MOST = 5000
"""Codes on a map."""


class Labelling(nn.Module):
    """A model whose codes tell categories, where labels are used, or are known by their anchors."""

    vocabulary: Vocabulary
    bottleneck: Bottleneck
    scores: nn.Module | None
    """of the categories, by a code; None without labels"""

    @property
    def categories(self) -> tuple[str, ...]:
        """Of the scores, or the anchors where there are none."""
        if self.scores is not None:
            return self.vocabulary.groups
        return tuple(f"anchor {k}" for k in range(getattr(self.bottleneck, "num_anchors", 1)))

    def answer(self, scores: Tensor | None, code: Code) -> ClassificationAnswer:
        """What is told of one thing, by its scores (1, categories) or else its code (1, D).

        Raises ValueError where there is neither a classifier nor an anchor.
        """
        chances = code.assignment if scores is None else scores.float().softmax(-1)
        if chances.shape[1] == 0:
            raise ValueError(
                "the model has neither a classifier nor anchors: there is nothing to tell"
            )
        return answered(self.categories, chances[0], code.at(0), self.bottleneck)


class Told(NamedTuple):
    """What a model says of all things of a split, B of them."""

    groups: tuple[str, ...]
    """what the owners of codes are indices into"""
    prediction: Tensor | None  # (B,) int64; None without a classifier
    codes: Codes
    nats: Tensor | None  # (B,), of what is decoded; None where nothing is

    def row(self, model: Labelling, chosen: Tensor, *, anchors: bool) -> dict[str, float]:
        """The `MEASURES` of some of them, (B,) bool: accuracy and mean class accuracy of those with
        a label, and, if `anchors`, how well a nebula's tell these apart."""
        truth, values = self.codes.owner, {}
        known = chosen & (truth >= 0)
        if bool(known.any()):
            if self.prediction is not None:
                confusion = Confusion(len(self.groups))
                confusion.add(self.prediction[known], truth[known])
                values["accuracy"] = confusion.accuracy
                values["mean class accuracy"] = confusion.mean_accuracy
            if anchors and isinstance(model.bottleneck, Nebula):
                values |= clusters(self.codes.anchor[known], truth[known])
        if self.nats is not None:
            values["nats"] = float(self.nats[chosen].mean())
        return values


def pictures(model: Labelling, told: Told, folder: Path) -> list[Picture]:
    """Draw `latents.png`, the map of the codes with the anchors, and, where there is a classifier,
    `confusion.png`; nothing of things without labels.

    Raises OSError where a file cannot be written.
    """
    owner = told.codes.owner
    known = owner >= 0
    if not bool(known.any()):
        return []
    drawn = [told.codes.draw(model, told.groups, folder / "latents.png", MOST)]
    if told.prediction is not None:
        confusion = Confusion(len(told.groups))
        confusion.add(told.prediction[known], owner[known])
        path = draw_confusion(folder / "confusion.png", confusion.counts, told.groups)
        drawn.append(Picture(path, "Which category (rows) is taken for which (columns)."))
    return drawn
