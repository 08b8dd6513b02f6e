"""How well points are labelled, as the field reports it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from nvc3d.metrics import Confusion, PartScores, confined_argmax
from nvc3d.tasks.segmentation.data import NONE
from nvc3d.tasks.segmentation.loss import category_of
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.task import Batch, Table

CONFINED = "among its category's parts"
FREE = "among all labels"


@torch.no_grad()
def metrics(
    model: SegmentationModel, batches: Iterable[Batch], categories: Sequence[str]
) -> dict[str, Table]:
    """Of parts: instance and class mIoU, accuracy and mean accuracy, with the best label taken
    among those of the shape's own category, and among all. Of scenes: mIoU, accuracy and mean
    accuracy of the blocks measured, intersections and unions summed over them all; `measure_scenes`
    does that for whole scenes. Points without a label do not count.

    Raises ValueError where there is nothing to measure, or a category that the model does not know.
    """
    if model.categories and tuple(categories) != model.categories:
        raise ValueError(
            f"the model knows the categories {', '.join(model.categories)}, "
            f"the data has {', '.join(categories)}"
        )
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    judge = _Parts(model) if model.categories else _Blocks(model)
    for batch in batches:
        moved = {name: v.to(device) for name, v in batch.items() if isinstance(v, torch.Tensor)}
        result = model(moved["points"], moved.get("features"), category_of(model, moved))
        for scores, truth, label in zip(
            result.scores.float().cpu(), batch["parts"], batch["label"].tolist(), strict=True
        ):
            if bool((known := truth != NONE).any()):
                judge.add(scores[known], truth[known], categories[label])
    model.train(was_training)
    if not (tables := judge.tables()):
        raise ValueError("there is nothing to measure: the split has no labelled points")
    return tables


class _Parts:
    """Judges shapes with parts, in both conventions, and those of each category apart too."""

    def __init__(self, model: SegmentationModel) -> None:
        self.parts = model.vocabulary.of_group
        self.count = len(model.vocabulary.labels)
        self.by_category: dict[str, dict[str, tuple[PartScores, Confusion]]] = {}

    def add(self, scores: torch.Tensor, truth: torch.Tensor, category: str) -> None:
        answers = {
            CONFINED: confined_argmax(scores, self.parts[category]),
            FREE: scores.argmax(-1),
        }
        for scope in ("all", category):
            rows = self.by_category.setdefault(scope, {})
            for name, answer in answers.items():
                judges = rows.setdefault(name, (PartScores(self.parts), Confusion(self.count)))
                judges[0].add(answer, truth, category)
                judges[1].add(answer, truth)

    def tables(self) -> dict[str, Table]:
        return {
            scope: {
                name: {
                    "instance mIoU": shapes.instance_miou,
                    "class mIoU": shapes.class_miou,
                    "accuracy": confusion.accuracy,
                    "mean accuracy": confusion.mean_accuracy,
                }
                for name, (shapes, confusion) in rows.items()
            }
            for scope, rows in self.by_category.items()
        }


class _Blocks:
    """Judges blocks of scenes, those of each area apart too."""

    def __init__(self, model: SegmentationModel) -> None:
        self.count = len(model.vocabulary.labels)
        self.by_area: dict[str, Confusion] = {}

    def add(self, scores: torch.Tensor, truth: torch.Tensor, area: str) -> None:
        for name in ("all", area):
            confusion = self.by_area.setdefault(name, Confusion(self.count))
            confusion.add(scores.argmax(-1), truth)

    def tables(self) -> dict[str, Table]:
        return {name: {"blocks": of_scenes(confusion)} for name, confusion in self.by_area.items()}


def of_scenes(confusion: Confusion) -> dict[str, float]:
    """The columns of a table of scenes."""
    return {
        "mIoU": confusion.miou,
        "accuracy": confusion.accuracy,
        "mean accuracy": confusion.mean_accuracy,
    }
