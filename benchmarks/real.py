"""What a user gets from twenty lines of plain torch, beside what nvc3d gives, on real data.

    python benchmarks/real.py --data DIR --quick                     # that it works: minutes
    python benchmarks/real.py modelnet10 sydney --data DIR           # two of the rows
    python benchmarks/real.py --data DIR --every          # VAEs, encoders, equal steps: a night

All programs of a row share split, points and batches. Plain networks learn for as many steps as fit
into nvc3d's time, and where every program is asked for also for as many as nvc3d's. Every result is
stored as soon as it is there, under a hash of what it depends on: a stopped run goes on, and what
was changed is computed anew. Results go to runs/benchmarks/real/ as JSON and Markdown. docs/real.md
says what the rows are. Needs Python 3.11 or later, and Linux.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from cells import follow
from real_study import report
from real_study.cells import Cell
from real_study.rows import ROWS
from results import write_between

ROOT = Path(__file__).parents[1]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; default: all")
    parser.add_argument("--data", type=Path, required=True, help="folder of the rows' folders")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--every",
        action="store_true",
        help="VAEs, other encoders, and plain networks for as many steps, too",
    )
    parser.add_argument("--quick", action="store_true", help="a few steps each")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "benchmarks" / "real")
    parser.add_argument("--markdown", type=Path, help="write the tables into this page too")
    options = parser.parse_args()
    if wrong := [name for name in options.rows if name not in ROWS]:
        parser.error(f"ROW must be one of {', '.join(ROWS)}, got {wrong[0]}")
    if min(options.seeds) < 1:
        parser.error("--seeds must be at least 1")
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    return options


def cells(options: argparse.Namespace, rows: Iterable[str], every: bool) -> list[Cell]:
    """All cells of some rows, seed by seed, so that a run stopped early has whole seeds to show."""
    return [
        Cell(name, program, seed, options.data, options.output, options.quick)
        for seed in sorted(set(options.seeds))
        for name in rows
        for program in (*ROWS[name].own(every), *ROWS[name].references(every))
    ]


def main() -> None:
    options = parse()
    asked = cells(options, options.rows or ROWS, options.every)
    failed = follow(asked, options.output, options.workers, fresh=True)
    # What was computed at other times is shown, too.
    every = cells(options, ROWS, True)
    report.save(every, options.output)
    text = report.markdown(every, options.output)
    print(f"\n{text}\n\nresults in {options.output}")
    if options.markdown:
        write_between(options.markdown, "real", text)
    if failed:
        raise SystemExit(f"{failed} cells failed")


if __name__ == "__main__":
    main()
