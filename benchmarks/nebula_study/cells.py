"""Results cell by cell: each in a file of its own, so that a stopped run goes on."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from processes import each
from results import code, fingerprint, read, write

import nvc3d

from . import datasets, measures, models, training
from .rows import ROWS

Result = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One training, or the time of its steps."""

    kind: str
    """"judge" or "time"."""
    row: str
    data: str
    seed: int


def depends(row: str) -> str:
    """Hash of what a result depends on: the row's settings and the code, comments aside."""
    content = [repr(sorted(ROWS[row].settings.items())), *_STUDY]
    if ROWS[row].model in (models.Gaussian, models.NVC):
        content += _NEBULA
    return fingerprint(content)


# Read beside the import: a file edited while this runs must not lend its hash to the results.
_STUDY = [code(Path(str(part.__file__))) for part in (measures, models, datasets, training)]
_NEBULA = [code(path) for path in sorted((Path(nvc3d.__file__).parent / "nebula").glob("*.py"))]


def place(cell: Cell, output: Path) -> Path:
    """The file of a cell's result."""
    name = f"{cell.kind}-{cell.data}-{cell.row}-{cell.seed}-{depends(cell.row)}.json"
    return output / "cells" / name


def stored(cell: Cell, output: Path) -> Result | None:
    """A cell's result, if there is one."""
    return read(place(cell, output))


def compute(cell: Cell, folder: Path | None, output: Path) -> Result:
    """Compute a cell on one thread and store it; a training that diverges is a result too."""
    torch.set_num_threads(1)
    data = datasets.load(cell.data, folder, output)
    start = time.process_time()
    result: Result = {"cell": asdict(cell), "settings": dict(ROWS[cell.row].settings)}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if cell.kind == "time":
                found = training.step_time(cell.row, data, cell.seed)
            else:
                model = training.train(cell.row, data, cell.seed)
                result["trained"] = time.process_time() - start
                found = measures.judge(model, data, cell.seed)
                if isinstance(model, models.NVC):
                    result["diagnostics"] = asdict(model.head.diagnostics())
        result |= {"values": found, "warnings": sorted({str(entry.message) for entry in caught})}
    except ValueError as error:
        result |= {"values": {}, "diverged": str(error)}
    result["seconds"] = time.process_time() - start
    write(place(cell, output), result)
    return result


def run(
    cells: Iterable[Cell], folder: Path | None, output: Path, workers: int
) -> Iterator[tuple[Cell, Result | Exception]]:
    """Compute the cells that are not stored yet, in so many processes, and give each when done."""
    missing = [cell for cell in cells if stored(cell, output) is None]
    return each(partial(compute, folder=folder, output=output), missing, workers)
