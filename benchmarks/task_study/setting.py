"""A setting of a study: what is trained, with what, and what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from nvc3d.checkpoint import Run
from nvc3d.config import TrainConfig
from nvc3d.tasks import TASKS
from nvc3d.tasks.task import Table
from nvc3d.train import Outcome, evaluation_batches

CODES = ("plain", "vae", "nebula")
QUICK_STEPS = 20

Change: TypeAlias = Callable[[Run, str, Path], Run]
"""(run, column, folder that outlives the cell) -> the run with what else it takes."""


@dataclass(frozen=True)
class Measure:
    """A number of the task's own tables, or what takes their place: of the row and the column."""

    row: str
    column: str
    digits: int
    less_is_better: bool = False

    @property
    def name(self) -> str:
        return f"{self.row}: {self.column}"


def tables(outcome: Outcome, run: Run) -> Table:
    """The task's own measures."""
    batches = evaluation_batches(outcome.splits.val, run.training)
    groups = outcome.splits.vocabulary.groups
    return run.task.metrics(outcome.model, batches, groups).overall


@dataclass(frozen=True)
class Setting:
    """One comparison of several columns, the last of which is beside all others; all have the same
    config, but for `bottleneck` where columns are codes."""

    title: str
    task: str
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    measures: tuple[Measure, ...]
    folder: str | None = None
    """of the data, under --data; None for the built-in shapes"""
    columns: tuple[str, ...] = CODES
    """the codes, or what else is compared, each with a nebula"""
    change: Change | None = None
    """what else a run takes, before it is trained"""
    measured: Callable[[Outcome, Run], Table] = tables

    def run(self, column: str, seed: int, data: Path | None, quick: bool = False) -> Run:
        """The run of a column with a seed, which decides on weights, data and order."""
        if self.folder is not None and data is None:
            raise ValueError(f"{self.title} needs --data, a folder that holds {self.folder}/")
        where = None if self.folder is None or data is None else str(data / self.folder)
        task = TASKS[self.task]
        code = column if column in CODES else "nebula"
        config = task.config(data=where, bottleneck=code, seed=seed, **self.config)
        training = TrainConfig(**self.training)
        return Run(task, config, replace(training, steps=QUICK_STEPS) if quick else training)
