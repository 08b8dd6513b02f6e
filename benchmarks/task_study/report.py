"""Tables of the tasks: each column's measures, and the last beside the others, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cells import stored
from pairing import BySeed, paired, shown, shown_test, summary
from results import write

from .cells import Cell
from .setting import Measure
from .settings import STUDIES


def collect(cells: Sequence[Cell], output: Path) -> dict[tuple[int, str, str], BySeed]:
    """All stored values, by setting, column and measure."""
    values: dict[tuple[int, str, str], BySeed] = {}
    for cell in cells:
        for name, value in (stored(cell, output) or {"values": {}})["values"].items():
            values.setdefault((cell.setting, cell.code, name), {})[cell.seed] = value
    return values


def markdown(study: str, cells: Sequence[Cell], output: Path) -> str:
    """A table of a study: a line for each setting and measure."""
    values = collect(cells, output)
    columns = STUDIES[study][0].columns
    head = ["", "", *columns, *(f"{columns[-1]} less {column}" for column in columns[:-1])]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for number in sorted({cell.setting for cell in cells}):
        setting = STUDIES[study][number]
        for measure in setting.measures:
            row = _line(values, number, measure, columns)
            title = setting.title if measure is setting.measures[0] else ""
            lines.append("| " + " | ".join([title, *row]) + " |")
    seeds = len({cell.seed for cell in cells})
    note = "mean ± standard deviation; p of the paired t-test, bold: better with p < 0.05"
    return f"**{study}**, seeds: {seeds}; {note}\n\n" + "\n".join(lines)


def _line(
    values: dict[tuple[int, str, str], BySeed],
    number: int,
    measure: Measure,
    columns: Sequence[str],
) -> list[str]:
    found = [values.get((number, column, measure.name), {}) for column in columns]
    return [
        measure.name,
        *(shown(by_seed, measure.digits) for by_seed in found),
        *(
            shown_test(paired(found[-1], other), measure.digits, measure.less_is_better)
            for other in found[:-1]
        ),
    ]


def save(study: str, cells: Sequence[Cell], output: Path) -> None:
    """Write STUDY.json and STUDY.md."""
    report: dict[str, Any] = {}
    for (number, code, name), by_seed in collect(cells, output).items():
        entry = report.setdefault(STUDIES[study][number].title, {}).setdefault(name, {})
        entry[code] = summary(by_seed)
    write(output / f"{study}.json", report)
    (output / f"{study}.md").write_text(markdown(study, cells, output) + "\n")
