"""Results cell by cell: each in a file of its own, so that a stopped run goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

import torch
from processes import each
from results import read, write

Result = dict[str, Any]


class Cell(Protocol):
    """One training of a study."""

    def name(self) -> str:
        """Of its file: what it is, and a hash of what its result depends on."""

    def compute(self, folder: Path) -> Result:
        """Train and measure, in a folder that is there for so long."""


C = TypeVar("C", bound=Cell)


def stored(cell: Cell, output: Path) -> Result | None:
    """A cell's result, if there is one."""
    return read(_place(cell, output))


def compute(cell: Cell, output: Path) -> Result:
    """Compute a cell on one thread and store what comes of it, with its seconds."""
    torch.set_num_threads(1)
    # Named before: a file edited while this runs must not lend its hash to the result.
    place, start = _place(cell, output), time.process_time()
    output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=output, prefix=f".run-{os.getpid()}-") as folder:
        result = cell.compute(Path(folder))
    result["seconds"] = time.process_time() - start
    write(place, result)
    return result


def run(
    cells: Iterable[C], output: Path, workers: int, fresh: bool = False
) -> Iterator[tuple[C, Result | Exception]]:
    """Compute the cells that are not stored yet, and give each when done; see `each`."""
    missing = [cell for cell in cells if stored(cell, output) is None]
    return each(partial(compute, output=output), missing, workers, fresh)


def follow(cells: list[C], output: Path, workers: int, fresh: bool = False) -> int:
    """Compute them, and print each as it is done; gives how many failed."""
    missing = sum(stored(cell, output) is None for cell in cells)
    print(f"{len(cells)} cells, {len(cells) - missing} of them stored", flush=True)
    start, failed = time.perf_counter(), 0
    for number, (cell, result) in enumerate(run(cells, output, workers, fresh), 1):
        line = f"[{number}/{missing}, {time.perf_counter() - start:.0f} s] {cell}: "
        if isinstance(result, Exception):
            failed += 1
            line += f"FAILED: {result!r}"
        else:
            values = (f"{name} {value:.4g}" for name, value in result["values"].items())
            line += result.get("diverged") or "  ".join(values)
            line += f"  ({result['seconds']:.0f} s)"
        print(line, flush=True)
    return failed


def _place(cell: Cell, output: Path) -> Path:
    return output / "cells" / f"{cell.name()}.json"
