"""How good completed grids are, beside the two answers that need no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from nvc3d.data.grids import UNKNOWN
from nvc3d.metrics import Confusion, voxel_iou
from nvc3d.tasks.task import Batch, Measure, Measured, Table, evaluating
from nvc3d.tasks.voxel_completion.model import VoxelCompletionModel, filled, occupied
from nvc3d.tasks.voxel_completion.pictures import Shown

ROWS = ("completion", "partial input", "mean training grid")
ANSWERS = 8
"""Of which the best is measured too, where the code gives several."""
MEASURES = (Measure("IoU", 4),)


def metrics(
    model: VoxelCompletionModel, batches: Iterable[Batch], categories: Sequence[str]
) -> Measured:
    """Voxel IoU at a threshold of 0.5, the mean over grids: of completions, of what is seen left as
    it is, and of the mean training grid; and of each category's grids.

    With several answers, also the best of eight and how far those differ: 1 less the mean IoU of
    two of them. With classes, the mean IoU of the classes too (SSC mIoU), each from its
    intersections and unions over all grids, and a table for each class. Unknown voxels do not
    count.

    Raises ValueError where there is nothing to measure.
    """
    several = model.bottleneck.answers != 1
    generator = torch.Generator(model.mean_grid.device).manual_seed(0)
    confusion = Confusion(1 + len(model.classes), ignored=UNKNOWN)
    measured: list[Tensor] = []  # (B, columns) each
    labels: list[Tensor] = []
    shown = Shown(categories)
    with evaluating(model) as device:
        for batch in batches:
            view, grid = batch["view"].to(device), batch["grid"].to(device)
            known, truth = grid != UNKNOWN, occupied(grid)
            scores, code = model.answers(view, ANSWERS if several else 1, generator)
            answers = [filled(some, view) for some in scores]
            seen = view[:, 0] > 0.5
            mean = (model.mean_grid > 0.5).expand_as(truth)
            ious = [voxel_iou((a > 0) & known, truth) for a in [answers[0], seen, mean]]
            if several:
                each = torch.stack([voxel_iou((a > 0) & known, truth) for a in answers])
                ious += [each.amax(0), difference([(a > 0) & known for a in answers])]
            measured.append(torch.stack(ious, 1).cpu())
            labels.append(batch["label"].cpu())
            if model.classes:
                confusion.add(answers[0].flatten(), grid.flatten())
            shown.add(batch, answers[0] > 0, code)
    if not measured:
        raise ValueError("there is nothing to measure: the split has no grids")
    values, label = torch.cat(measured), torch.cat(labels)
    overall = _table(values.mean(0))
    if model.classes:
        overall["mean of classes"] = {"IoU": float(confusion.ious[1:].nanmean())}
    by_category = {
        name: _table(values[label == index].mean(0))
        for index, name in enumerate(categories)
        if bool((label == index).any())
    }
    by_class = {
        name: {"completion": {"IoU": iou}}
        for name, iou in zip(model.classes, confusion.ious[1:].tolist(), strict=True)
    }
    by = {"category": by_category, "class": by_class}
    return Measured(overall, {kind: tables for kind, tables in by.items() if tables}, shown)


def difference(answers: Sequence[Tensor]) -> Tensor:
    """1 less the mean IoU of two answers (B, X, Y, Z) bool, over all pairs: (B,)."""
    pairs = [
        1 - voxel_iou(answers[i].float(), answers[j]) for i in range(len(answers)) for j in range(i)
    ]
    return torch.stack(pairs).mean(0)


def _table(means: Tensor) -> Table:
    """Means (columns,), named."""
    values = means.tolist()
    table = {row: {"IoU": value} for row, value in zip(ROWS, values, strict=False)}
    if len(values) > len(ROWS):
        table[f"best of {ANSWERS} answers"] = {"IoU": values[3]}
        table["difference of answers"] = {"IoU": values[4]}
    return table
