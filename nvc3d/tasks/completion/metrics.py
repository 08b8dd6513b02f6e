"""How good completions are, beside the two answers that need no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from nvc3d.metrics import compare
from nvc3d.tasks.completion.model import CompletionModel
from nvc3d.tasks.task import Batch, Table

COLUMNS = ("CD-L1", "CD-L2", "F-score@1%")
ROWS = ("completion", "partial input", "mean training shape")


@torch.no_grad()
def metrics(
    model: CompletionModel, batches: Iterable[Batch], categories: Sequence[str]
) -> dict[str, Table]:
    """CD-L1, CD-L2 and F-score@1% of completions, of the partial clouds left as they are, and of
    the mean training shape: their means over all clouds, under "all", and over each category's.

    Raises ValueError where there is nothing to measure.
    """
    device = model.mean_shape.device
    measured: list[Tensor] = []  # (B, rows, columns) each
    labels: list[Tensor] = []
    was_training = model.training
    model.eval()
    for batch in batches:
        partial, complete = batch["partial"].to(device), batch["complete"].to(device)
        mean_shape = model.mean_shape.expand(len(complete), -1, -1)
        answers = (model(partial).points, partial, mean_shape)
        rows = [torch.stack(compare(answer, complete), dim=-1) for answer in answers]
        measured.append(torch.stack(rows, dim=1).double().cpu())
        labels.append(batch["label"].cpu())
    model.train(was_training)
    if not measured:
        raise ValueError("there is nothing to measure: the split has no shapes")
    values, label = torch.cat(measured), torch.cat(labels)
    tables = {"all": _table(values.mean(0))}
    for index, name in enumerate(categories):
        chosen = label == index
        if bool(chosen.any()):
            tables[name] = _table(values[chosen].mean(0))
    return tables


def _table(means: Tensor) -> Table:
    """Means (rows, columns), named."""
    return {
        row: dict(zip(COLUMNS, numbers, strict=True))
        for row, numbers in zip(ROWS, means.tolist(), strict=True)
    }
