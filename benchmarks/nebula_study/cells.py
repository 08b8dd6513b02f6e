"""Results cell by cell: each in a file of its own, so that a stopped run goes on."""

from __future__ import annotations

import ast
import hashlib
import json
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

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


def fingerprint(row: str) -> str:
    """Hash of what a result depends on: the row's settings and the code, comments aside."""
    content = [repr(sorted(ROWS[row].settings.items())), *_STUDY]
    if ROWS[row].model is models.NVC:
        content += _NEBULA
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:10]


def _code(path: Path) -> str:
    """The code in a file, without what does not act."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                part
                for part in body
                if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
            ]
    return ast.dump(tree)


# Read beside the import: a file edited while this runs must not lend its hash to the results.
_STUDY = [_code(Path(str(part.__file__))) for part in (measures, models, datasets, training)]
_NEBULA = [_code(path) for path in sorted((Path(nvc3d.__file__).parent / "nebula").glob("*.py"))]


def place(cell: Cell, output: Path) -> Path:
    """The file of a cell's result."""
    name = f"{cell.kind}-{cell.data}-{cell.row}-{cell.seed}-{fingerprint(cell.row)}.json"
    return output / "cells" / name


def stored(cell: Cell, output: Path) -> Result | None:
    """A cell's result, if there is one."""
    path = place(cell, output)
    return json.loads(path.read_text()) if path.exists() else None


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
    path = place(cell, output)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(result, indent=1))
    part.replace(path)
    return result


def run(
    cells: Iterable[Cell], folder: Path | None, output: Path, workers: int
) -> Iterator[tuple[Cell, Result | Exception]]:
    """Compute the cells that are not stored yet, in so many processes, and give each when done."""
    missing = [cell for cell in cells if stored(cell, output) is None]
    # Read by the workers when they start: one thread each, in torch and in scikit-learn.
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        jobs = {pool.submit(compute, cell, folder, output): cell for cell in missing}
        for job in as_completed(jobs):
            error = job.exception()
            if error is None:
                yield jobs[job], job.result()
            elif isinstance(error, Exception):
                yield jobs[job], error
            else:
                raise error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let this worker end when the run is killed; else it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
