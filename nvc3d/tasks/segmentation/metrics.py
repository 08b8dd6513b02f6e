"""How well points are labelled, as the field reports it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from nvc3d.metrics import Confusion, PartScores, confined_argmax
from nvc3d.tasks.segmentation.data import NONE
from nvc3d.tasks.segmentation.loss import category_of
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.segmentation.pictures import Shown
from nvc3d.tasks.task import Batch, Measure, Measured, Table, evaluating

CONFINED = "among its category's parts"
FREE = "among all labels"
MEASURES = tuple(
    Measure(name) for name in ("instance mIoU", "class mIoU", "mIoU", "accuracy", "mean accuracy")
)


def metrics(
    model: SegmentationModel, batches: Iterable[Batch], categories: Sequence[str]
) -> Measured:
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
    judge = _Parts(model) if model.categories else _Blocks(model)
    shown = Shown(categories)
    with evaluating(model) as device:
        for batch in batches:
            moved = {name: v.to(device) for name, v in batch.items() if isinstance(v, Tensor)}
            result = model(moved["points"], moved.get("features"), category_of(model, moved))
            found = result.scores.float().cpu()
            for scores, truth, label in zip(
                found, batch["point_labels"], batch["label"].tolist(), strict=True
            ):
                if bool((known := truth != NONE).any()):
                    judge.add(scores[known], truth[known], categories[label])
            shown.add(model, batch, found, result.code)
    if not judge.rows:
        raise ValueError("there is nothing to measure: the split has no labelled points")
    return Measured(judge.table(None), {judge.kind: judge.tables()}, shown)


class _Parts:
    """Judges shapes with parts, in both conventions, and those of each category apart too."""

    kind = "category"

    def __init__(self, model: SegmentationModel) -> None:
        self.parts = model.vocabulary.of_group
        self.count = len(model.vocabulary.labels)
        self.rows: dict[str | None, dict[str, tuple[PartScores, Confusion]]] = {}
        """category, None for all -> convention -> judges"""

    def add(self, scores: Tensor, truth: Tensor, category: str) -> None:
        answers = {
            CONFINED: confined_argmax(scores, self.parts[category]),
            FREE: scores.argmax(-1),
        }
        for scope in (None, category):
            rows = self.rows.setdefault(scope, {})
            for name, answer in answers.items():
                judges = rows.setdefault(name, (PartScores(self.parts), Confusion(self.count)))
                judges[0].add(answer, truth, category)
                judges[1].add(answer, truth)

    def table(self, scope: str | None) -> Table:
        return {
            name: {
                "instance mIoU": shapes.instance_miou,
                "class mIoU": shapes.class_miou,
                "accuracy": confusion.accuracy,
                "mean accuracy": confusion.mean_accuracy,
            }
            for name, (shapes, confusion) in self.rows[scope].items()
        }

    def tables(self) -> dict[str, Table]:
        return {scope: self.table(scope) for scope in self.rows if scope is not None}


class _Blocks:
    """Judges blocks of scenes, those of each area apart too."""

    kind = "area"

    def __init__(self, model: SegmentationModel) -> None:
        self.count = len(model.vocabulary.labels)
        self.rows: dict[str | None, Confusion] = {}
        """area, None for all -> judge"""

    def add(self, scores: Tensor, truth: Tensor, area: str) -> None:
        for scope in (None, area):
            confusion = self.rows.setdefault(scope, Confusion(self.count))
            confusion.add(scores.argmax(-1), truth)

    def table(self, scope: str | None) -> Table:
        return {"blocks": of_scenes(self.rows[scope])}

    def tables(self) -> dict[str, Table]:
        return {scope: self.table(scope) for scope in self.rows if scope is not None}


def of_scenes(confusion: Confusion) -> dict[str, float]:
    """The columns of a table of scenes."""
    return {
        "mIoU": confusion.miou,
        "accuracy": confusion.accuracy,
        "mean accuracy": confusion.mean_accuracy,
    }
