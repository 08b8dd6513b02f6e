"""What answers are worth, whoever gave them: the same lines judge nvc3d and the plain networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from nvc3d.data.grids import UNKNOWN
from nvc3d.metrics import Confusion, compare, voxel_iou
from nvc3d.tasks.segmentation.loss import category_of
from nvc3d.tasks.segmentation.metrics import of_scenes
from nvc3d.tasks.task import Batch
from nvc3d.tasks.vocabulary import Vocabulary
from nvc3d.tasks.voxel_completion.model import filled, occupied

Judged = dict[str, Any]
Answers = Iterable[tuple[Tensor, Batch]]


def _categories(answers: Answers, known: Vocabulary) -> Judged:
    """Of scores (B, categories); `hits` says of each shape whether it was told right."""
    confusion, hits = Confusion(len(known.groups)), []
    for scores, batch in answers:
        confusion.add(scores.argmax(1), batch["label"])
        hits += (scores.argmax(1) == batch["label"]).tolist()
    return {
        "values": {
            "accuracy": confusion.accuracy,
            "mean class accuracy": confusion.mean_accuracy,
            "weighted F1": confusion.weighted_f1,
        },
        "hits": hits,
    }


def _labels(answers: Answers, known: Vocabulary) -> Judged:
    """Of scores (B, N, labels) of the points of blocks."""
    confusion = Confusion(len(known.labels), ignored=-1)
    for scores, batch in answers:
        confusion.add(scores.argmax(2), batch["point_labels"])
    return {"values": of_scenes(confusion)}


def _clouds(answers: Answers, known: Vocabulary) -> Judged:
    """Of completed clouds (B, N, 3)."""
    found = torch.cat([torch.stack([*compare(c, b["complete"])], 1) for c, b in answers])
    names = ("CD-L1", "CD-L2", "F-score@1%")
    return {"values": dict(zip(names, found.double().mean(0).tolist(), strict=True))}


def _grids(answers: Answers, known: Vocabulary) -> Judged:
    """Of scores (B, X, Y, Z); what is seen to be occupied or free stays so."""
    ious = [
        voxel_iou(
            (filled(scores[:, None], batch["view"]) > 0) & (batch["grid"] != UNKNOWN),
            occupied(batch["grid"]),
        )
        for scores, batch in answers
    ]
    return {"values": {"IoU": float(torch.cat(ious).double().mean())}}


JUDGES: dict[str, Callable[[Answers, Vocabulary], Judged]] = {
    "classification": _categories,
    "segmentation": _labels,
    "completion": _clouds,
    "voxel_completion": _grids,
}


def own_answer(task: str, model: nn.Module, batch: Batch) -> Tensor:
    """What a model of nvc3d answers, in the form that its judge takes."""
    if task == "classification":
        return model(batch["points"], batch["size"]).scores
    if task == "segmentation":
        category = category_of(model, batch)  # type: ignore[arg-type]
        return model(batch["points"], batch.get("features"), category).scores
    if task == "completion":
        return model(batch["partial"]).points
    return model(batch["view"]).scores[:, 0]


def plain_answer(answer: Any) -> Tensor:
    """What a plain network answers: the last of several clouds."""
    found: Tensor = answer[-1] if isinstance(answer, tuple) else answer
    return found
