"""How good completions are, beside the two answers that need no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from nvc3d.metrics import best_of, compare, total_mutual_difference
from nvc3d.metrics import emd as earth_movers
from nvc3d.tasks.completion.model import CompletionModel
from nvc3d.tasks.completion.pictures import Shown
from nvc3d.tasks.task import Batch, Measure, Measured, Table, evaluating

ANSWERS = 8
"""How many alternatives are drawn from codes that have a posterior."""
ROWS = ("completion", "partial input", "mean training shape")
MEASURES = (
    Measure("CD-L1", 2, lower_is_better=True, unit="1e-3"),
    Measure("CD-L2", 2, lower_is_better=True, unit="1e-4"),
    Measure("F-score@1%"),
    Measure("EMD", 4, lower_is_better=True),
    Measure(f"CD-L2, best of {ANSWERS}", 2, lower_is_better=True, unit="1e-4"),
    Measure("TMD", 2),
)


def metrics(
    model: CompletionModel,
    batches: Iterable[Batch],
    categories: Sequence[str],
    *,
    emd: bool = False,
) -> Measured:
    """CD-L1, CD-L2 and F-score@1% of completions, of the partial clouds left as they are, and of
    the mean training shape: their means over all clouds, and over each category's.

    With `emd` the earth mover's distance too, which takes a second a cloud of 2,048 points; points
    of the partial cloud then count several times. Of a code with a posterior, eight answers are
    drawn as well: CD-L2 of the best of them, and how they differ (TMD). Other answers are one
    each.

    Of several categories, the mean of their means is given too.

    Raises ValueError where there is nothing to measure.
    """
    generator = torch.Generator().manual_seed(0)
    columns = ["CD-L1", "CD-L2", "F-score@1%"] + ["EMD"] * emd
    several = model.bottleneck.answers != 1
    columns += [f"CD-L2, best of {ANSWERS}", "TMD"] * several
    measured: list[Tensor] = []  # (B, rows, columns) each
    labels: list[Tensor] = []
    shown = Shown(categories)
    with evaluating(model) as device:
        for batch in batches:
            partial, complete = batch["partial"].to(device), batch["complete"].to(device)
            answers, code = model.answers(partial, ANSWERS if several else 1, generator)
            mean_shape = model.mean_shape.expand(len(complete), -1, -1)
            rows = [
                _measured(answer, complete, emd, several)
                for answer in (answers, partial[None], mean_shape[None])
            ]
            measured.append(torch.stack(rows, dim=1).double().cpu())
            labels.append(batch["label"].cpu())
            shown.add(batch, answers[0], code)
    if not measured:
        raise ValueError("there is nothing to measure: the split has no shapes")
    values, label = torch.cat(measured), torch.cat(labels)
    means = {
        name: values[label == index].mean(0)
        for index, name in enumerate(categories)
        if bool((label == index).any())
    }
    overall = _table(values.mean(0), columns)
    if len(means) > 1:
        own = torch.stack(list(means.values())).mean(0)[0].tolist()
        overall[f"{ROWS[0]}, mean of categories"] = dict(zip(columns, own, strict=True))
    by_category = {name: _table(mean, columns) for name, mean in means.items()}
    return Measured(overall, {"category": by_category}, shown)


def _measured(answers: Tensor, truth: Tensor, emd: bool, several: bool) -> Tensor:
    """The columns (B, columns) of answers (K, B, N, 3), the first of them the best guess."""
    guess = answers[0]
    compared = compare(guess, truth)
    row = [*compared]
    if emd:
        row.append(earth_movers(_repeated(guess, truth.shape[1]), truth))
    if several and len(answers) > 1:
        row += [best_of(answers, truth), total_mutual_difference(answers)]
    elif several:
        row += [compared.cd_l2, torch.zeros_like(compared.cd_l2)]
    return torch.stack(row, dim=-1)


def _repeated(cloud: Tensor, count: int) -> Tensor:
    """A cloud (B, N, 3) of as many points (B, count, 3) as another, each equally often, or nearly
    so."""
    return cloud[:, torch.arange(count, device=cloud.device) * cloud.shape[1] // count]


def _table(means: Tensor, columns: Sequence[str]) -> Table:
    """Means (rows, columns), named."""
    return {
        row: dict(zip(columns, numbers, strict=True))
        for row, numbers in zip(ROWS, means.tolist(), strict=True)
    }
