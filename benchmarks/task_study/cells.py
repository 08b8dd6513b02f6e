"""A training of one code with one seed, and what it measured, stored when it is done."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from processes import each
from results import code, fingerprint, read, write

import nvc3d
from nvc3d.config import to_dict
from nvc3d.tasks import TASKS
from nvc3d.train import NonFiniteLoss, evaluation_batches, train

from .settings import STUDIES

_ROOT = Path(nvc3d.__file__).parent
_SHARED = ("nebula", "encoders", "tasks/bottleneck")
_PARTS = (*_SHARED, *(f"tasks/{task}" for task in TASKS))
# Read beside the import: a file edited while this runs must not lend its hash to the results.
_CODE = {
    part: [
        code(path) for path in sorted([*_ROOT.glob(f"{part}/**/*.py"), *_ROOT.glob(f"{part}.py")])
    ]
    for part in _PARTS
}


@dataclass(frozen=True)
class Cell:
    """One training."""

    study: str
    setting: int
    code: str
    seed: int
    data: Path | None
    quick: bool = False


def place(cell: Cell, output: Path) -> Path:
    """The file of a cell's result."""
    setting = STUDIES[cell.study][cell.setting]
    run = setting.run(cell.code, cell.seed, cell.data, cell.quick)
    config = {**to_dict(run.config), "data": setting.folder}
    content = [repr(sorted(config.items())), repr(sorted(to_dict(run.training).items()))]
    for part in (*_SHARED, f"tasks/{setting.task}"):
        content += _CODE[part]
    name = f"{cell.study}-{cell.setting + 1}-{cell.code}-{cell.seed}-{fingerprint(content)}.json"
    return output / "cells" / name


def stored(cell: Cell, output: Path) -> dict[str, Any] | None:
    """A cell's result, if there is one."""
    return read(place(cell, output))


def compute(cell: Cell, output: Path) -> dict[str, Any]:
    """Train, measure and store; a training that diverges is a result too."""
    torch.set_num_threads(1)
    setting = STUDIES[cell.study][cell.setting]
    run = setting.run(cell.code, cell.seed, cell.data, cell.quick)
    start = time.process_time()
    result: dict[str, Any] = {"setting": setting.title, "code": cell.code, "seed": cell.seed}
    (output / "cells").mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output, prefix=f".run-{os.getpid()}-") as folder:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outcome = train(run, Path(folder), progress=False)
                batches = evaluation_batches(outcome.splits.val, run.training)
                measured = run.task.metrics(
                    outcome.model, batches, outcome.splits.vocabulary.groups
                )
            if not outcome.finished:
                raise KeyboardInterrupt
            table = measured.overall
            # A plain code has one answer: it lacks the measures of several.
            result["values"] = {
                f"{m.row}: {m.column}": table[m.row][m.column]
                for m in setting.measures
                if m.column in table.get(m.row, {})
            }
        except NonFiniteLoss as error:
            result |= {"values": {}, "diverged": str(error)}
    result["seconds"] = time.process_time() - start
    write(place(cell, output), result)
    return result


def run(
    cells: Iterable[Cell], output: Path, workers: int
) -> Iterator[tuple[Cell, dict[str, Any] | Exception]]:
    """Compute the cells that are not stored yet, and give each when done."""
    missing = [cell for cell in cells if stored(cell, output) is None]
    return each(partial(compute, output=output), missing, workers)
