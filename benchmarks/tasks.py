"""What the nebula gives to a task: the same network without, as a VAE, and with it.

    python benchmarks/tasks.py classification --quick     # that it works: a minute
    python benchmarks/tasks.py classification             # the built-in shapes
    python benchmarks/tasks.py completion --data DIR      # and DIR/modelnet10_voxels/
    python benchmarks/tasks.py ask --data DIR             # and modelnet10_1024/, sydney_urban/
    python benchmarks/tasks.py --data DIR --markdown docs/tasks.md   # every table of the page

All codes of a setting share network, data, batches and number of steps. Every result is stored as
soon as it is there, under a hash of what it depends on: a stopped run goes on, and what was changed
is computed anew. Results go to runs/benchmarks/tasks/ as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cells import follow
from results import write_between
from task_study import report
from task_study.cells import Cell
from task_study.settings import STUDIES

ROOT = Path(__file__).parents[1]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "studies", nargs="*", metavar="STUDY", help=f"{', '.join(STUDIES)}; default: all"
    )
    parser.add_argument(
        "--data", type=Path, help="folder of modelnet10_voxels/, modelnet10_1024/, sydney_urban/"
    )
    parser.add_argument("--settings", type=int, nargs="+", help="by number, from 1; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--quick", action="store_true", help="a few steps each")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "benchmarks" / "tasks")
    parser.add_argument("--markdown", type=Path, help="write the table into this page too")
    options = parser.parse_args()
    if unknown := [study for study in options.studies if study not in STUDIES]:
        parser.error(f"STUDY must be one of {', '.join(STUDIES)}, got {unknown[0]}")
    options.studies = options.studies or list(STUDIES)
    if options.settings:
        if len(options.studies) != 1:
            parser.error("--settings needs one STUDY, whose settings they are")
        numbers = range(1, len(STUDIES[options.studies[0]]) + 1)
        if wrong := [number for number in options.settings if number not in numbers]:
            parser.error(f"--settings must be from 1 to {len(numbers)}, got {wrong[0]}")
    if options.workers < 1:
        parser.error("--workers must be at least 1")
    return options


def cells(study: str, options: argparse.Namespace) -> list[Cell]:
    """All cells of a study, seed by seed, so that a run stopped early has whole seeds to show."""
    settings = STUDIES[study]
    numbers = options.settings or [
        number
        for number, setting in enumerate(settings, 1)
        if setting.folder is None or options.data is not None
    ]
    return [
        Cell(study, number - 1, column, seed, options.data, options.quick)
        for seed in sorted(set(options.seeds))
        for number in numbers
        for column in settings[number - 1].columns
    ]


def main() -> None:
    options = parse()
    failed = 0
    for study in options.studies:
        asked = cells(study, options)
        failed += follow(asked, options.output, options.workers)
        report.save(study, asked, options.output)
        text = report.markdown(study, asked, options.output)
        print(f"\n{text}\n\nresults in {options.output}", flush=True)
        if options.markdown:
            write_between(options.markdown, study, text)
    if failed:
        raise SystemExit(f"{failed} cells failed")


if __name__ == "__main__":
    main()
