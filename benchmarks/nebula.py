"""What the nebula gives: one autoencoder with a nebula, with its ablations, and with its baselines.

    python benchmarks/nebula.py --quick          # digits, three rows, three seeds: a minute
    python benchmarks/nebula.py                  # without files: digits and built-in shapes
    python benchmarks/nebula.py --data DIR       # and DIR/mnist/, DIR/modelnet10_voxels/
    python benchmarks/nebula.py --only nvc vae mnist --seeds 1 2

All rows of a data set have the same encoder, decoder, optimiser, batches and number of steps; no
labels in training. Decoders read 32 numbers, those of the nebula 30 more for the assignment. Every
result is stored as soon as it is there, under a hash of what it depends on: a stopped run goes on,
and a changed row is computed anew. Results go to runs/benchmarks/nebula/ as JSON, Markdown and
plots.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from nebula_study import report
from nebula_study.cells import Cell, run, stored
from nebula_study.datasets import DATASETS, FOLDERS, load
from nebula_study.rows import ROWS
from results import write_between

ROOT = Path(__file__).parents[1]
QUICK = ("ae", "vae", "nvc", "digits")
ABLATED = ("digits", "mnist")


def chosen(options: argparse.Namespace) -> tuple[list[str], list[str], list[int]]:
    """The rows, data sets and seeds that are asked for."""
    words = options.only or (QUICK if options.quick else ())
    rows = [row for row in ROWS if row in words] or list(ROWS)
    given = [name for name in DATASETS if options.data or name not in FOLDERS]
    sets = [name for name in DATASETS if name in words] or given
    seeds = options.seeds or ([1, 2, 3] if options.quick else [1, 2, 3, 4, 5])
    return rows, sets, sorted(set(seeds))


def cells(rows: list[str], sets: list[str], seeds: list[int], named: list[str]) -> list[Cell]:
    """All cells, seed by seed, so that a run stopped early has whole seeds to show.

    Ablations are for two data sets, unless they are named.
    """
    pairs = [
        (row, data)
        for data in sets
        for row in rows
        if not ROWS[row].ablation or data in ABLATED or row in named
    ]
    judged = [Cell("judge", row, data, seed) for seed in seeds for row, data in pairs]
    # One seed is enough for the time of a step, which hardly depends on it.
    timed = [Cell("time", row, data, seeds[0]) for row, data in pairs if not ROWS[row].ablation]
    return judged + timed


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of mnist/ and modelnet10_voxels/")
    parser.add_argument("--quick", action="store_true", help="a minute's look")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*ROWS, *DATASETS],
        metavar="NAME",
        help=f"rows: {', '.join(ROWS)}\ndata sets: {', '.join(DATASETS)}",
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 1 to 5")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--no-times", action="store_true", help="leave the times of steps out")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "benchmarks" / "nebula")
    parser.add_argument("--markdown", type=Path, help="write the tables into this page too")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    return options


def main() -> None:
    options = parse()
    rows, sets, seeds = chosen(options)
    options.output.mkdir(parents=True, exist_ok=True)
    # Also makes what the workers share, once, and fails at once where files are missing.
    units = {name: load(name, options.data, options.output).unit for name in sets}
    asked = cells(rows, sets, seeds, options.only or [])
    if options.no_times:
        asked = [cell for cell in asked if cell.kind == "judge"]
    missing = sum(stored(cell, options.output) is None for cell in asked)
    print(f"{len(asked)} cells, {len(asked) - missing} of them stored", flush=True)
    start, failed = time.perf_counter(), 0
    for number, (cell, result) in enumerate(
        run(asked, options.data, options.output, options.workers), 1
    ):
        line = f"[{number}/{missing}, {time.perf_counter() - start:.0f} s] {cell.kind} "
        line += f"{cell.data} {cell.row} seed {cell.seed}: "
        if isinstance(result, Exception):
            failed += 1
            line += f"FAILED: {result!r}"
        else:
            line += result.get("diverged") or "  ".join(
                f"{name} {value:.4g}" for name, value in result["values"].items()
            )
            line += f"  ({result['seconds']:.1f} s)"
        print(line, flush=True)
    study = report.Study(options.output, rows, sets, seeds)
    study.write(options.output, units)
    text = study.markdown(units)
    print(f"\n{text}\n\nresults in {options.output}")
    if options.markdown:
        write_between(options.markdown, "nebula", text)
    if failed:
        raise SystemExit(f"{failed} cells failed")


if __name__ == "__main__":
    main()
