"""How the commands show what a model is worth."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from nvc3d.checkpoint import Run, save_json
from nvc3d.tasks import Measured, Splits, Table
from nvc3d.tasks.task import Items
from nvc3d.train import Outcome, Rehearsal, evaluation_batches

REHEARSED = 4  # shapes


@dataclass(frozen=True)
class _First:
    """The first items of a split."""

    items: Items
    count: int

    @property
    def collate(self) -> Any:
        """How they are made a batch, where the split says so."""
        return getattr(self.items, "collate", None)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.items[range(self.count)[index]]


def rehearsal(run: Run) -> Rehearsal:
    """What `finish` will do, for a few shapes and into a folder that is thrown away: so that what
    would fail after a long training fails before it."""

    def rehearse(model: nn.Module, splits: Splits) -> None:
        if len(splits.val) == 0:
            return
        few = _First(splits.val, min(REHEARSED, len(splits.val)))
        with tempfile.TemporaryDirectory() as folder:
            try:
                _measure(run, model, splits, few, Path(folder))
            except ValueError:
                # Of those few, nothing can be measured; of all there may be something.
                _measure(run, model, splits, splits.val, Path(folder))

    return rehearse


def finish(run: Run, folder: Path, outcome: Outcome) -> None:
    """Measure a trained model on the shapes kept out of training; write metrics and pictures."""
    if not outcome.main:
        return
    model, splits = outcome.model, outcome.splits
    if len(splits.val) == 0:
        print("No shapes were kept out of training (raise --holdout): nothing is measured.")
    else:
        print_tables(_measure(run, model, splits, splits.val, folder, outcome.step))
    for line in run.task.end(model, splits, run.config, folder):
        print(line)
    written = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    print(f"Written to {folder}: {', '.join(written)}")


def _measure(
    run: Run, model: nn.Module, splits: Splits, items: Items, folder: Path, step: int = 0
) -> Measured:
    """Metrics and pictures of some items, written to a folder."""
    batches = evaluation_batches(items, run.training, next(model.parameters()).device)
    measured = run.task.metrics(model, batches, splits.vocabulary.groups)
    counts = {"train": len(splits.train), "val": len(splits.val)}
    values = {"step": step, "splits": counts, "data_set": _data_set(run)} | measured.to_dict()
    save_json(folder / "metrics.json", values)
    run.task.pictures(model, measured.shown, folder)
    return measured


def _data_set(run: Run) -> str | None:
    """The name of the data set that was learned from; None of a folder of no known layout."""
    if run.config.data is None:
        return "built-in"
    if not run.task.of_shapes:
        return None
    from nvc3d.data.registry import GIVES, find

    try:
        found = find(run.config.data, *GIVES)
    except (OSError, ValueError):  # it could be either of two
        return None
    return found.name if found else None


def interrupted(run: Run, folder: Path, outcome: Outcome) -> int:
    """Say how to go on with a run that a signal ended early; gives the exit code."""
    if outcome.main:
        print(f"Stopped at step {outcome.step}, saved. Go on with:", file=sys.stderr)
        print(f"  nvc3d train {run.task.name} --resume {folder}", file=sys.stderr)
    return 130


def print_tables(measured: Measured) -> None:
    """The table of all items, then one with a row for each category, area or class."""
    overall = measured.overall
    columns = list(next(iter(overall.values())))
    print_table([["all", *columns], *_rows(overall)])
    for kind, tables in measured.by.items():
        if len(tables) > 1:
            # Of each the first row only: the model's own.
            first = next(iter(overall))
            own = {name: table[first] for name, table in tables.items()}
            print()
            columns = list(next(iter(own.values())))
            print_table([[f"{first} by {kind}", *columns], *_rows(own)])


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text in columns, the first row being the header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for i, (first, *others) in enumerate(rows):
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))
        if i == 0:
            print("  ".join("-" * width for width in widths))


def _rows(table: Table) -> list[list[str]]:
    return [[name, *(f"{v:.4g}" for v in values.values())] for name, values in table.items()]
