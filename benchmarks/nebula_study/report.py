"""Tables, paired tests, plots and the Markdown of the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pairing import Test, paired, shown, shown_test, summary

from .cells import Cell, stored
from .rows import ROWS


class Column(NamedTuple):
    """A measure: its title, the digits printed, and whether it needs clusters."""

    title: str
    digits: int
    clusters: bool = False


COLUMNS = {
    "reconstruction": Column("reconstruction", 2),
    "knn": Column("5-NN", 3),
    "probe": Column("linear probe", 3),
    "vote": Column("vote", 3, True),
    "hungarian": Column("Hungarian", 3, True),
    "nmi": Column("NMI", 3, True),
    "ari": Column("ARI", 3, True),
    "used": Column("used", 1, True),
    "perplexity": Column("perplexity", 1, True),
    "step": Column("step, ms", 2),
    "ratio": Column("step / VAE's", 2),
}
# Rows that do not cluster are shown twice: alone, and with the k-means that judged their codes.
WITHOUT_CLUSTERS = ("ae", "vae", "vq8", "no-anchors")
# The rows that the nebula is tested beside on the page; results.json has all.
COMPARED = ("vae", "ae", "vade")
TESTED = ("reconstruction", "knn", "probe", "vote", "hungarian", "nmi", "ari")


class Study:
    """All stored results of the chosen rows, data sets and seeds."""

    def __init__(
        self, output: Path, rows: Iterable[str], sets: Iterable[str], seeds: Iterable[int]
    ) -> None:
        self.rows, self.sets, self.seeds = list(rows), list(sets), list(seeds)
        self.values: dict[tuple[str, str, str], dict[int, float]] = {}
        self.diverged: dict[tuple[str, str], int] = {}
        for kind in ("judge", "time"):
            for data in self.sets:
                for row in self.rows:
                    for seed in self.seeds:
                        self._take(Cell(kind, row, data, seed), output)

    def _take(self, cell: Cell, output: Path) -> None:
        result = stored(cell, output)
        if result is None:
            return
        key = cell.data, cell.row
        if "diverged" in result:
            self.diverged[key] = self.diverged.get(key, 0) + (cell.kind == "judge")
        for column, value in result["values"].items():
            self.values.setdefault((*key, column), {})[cell.seed] = value

    def known(self, data: str) -> list[str]:
        """The rows that have a result on a data set."""
        found = {key[1] for key in self.values if key[0] == data} | {
            row for where, row in self.diverged if where == data
        }
        return [row for row in self.rows if row in found]

    def cell(self, data: str, row: str, column: str) -> str:
        """Mean ± standard deviation over seeds."""
        return shown(self.values.get((data, row, column), {}), COLUMNS[column].digits)

    def table(self, data: str, unit: str) -> str:
        """Markdown: a line for each row."""
        lines = [
            "| " + " | ".join(["", *(column.title for column in COLUMNS.values())]) + " |",
            "|---" * (len(COLUMNS) + 1) + "|",
        ]
        for row in self.known(data):
            title = ROWS[row].title
            if (failed := self.diverged.get((data, row), 0)) > 0:
                title += f" (diverged with {failed} of {failed + self._count(data, row)} seeds)"
            alone = row in WITHOUT_CLUSTERS
            cells = [
                "" if alone and entry.clusters else self.cell(data, row, column)
                for column, entry in COLUMNS.items()
            ]
            lines.append("| " + " | ".join([title, *cells]) + " |")
            if alone:
                cells = [
                    self.cell(data, row, column) if entry.clusters else ""
                    for column, entry in COLUMNS.items()
                ]
                lines.append("| " + " | ".join([f"{title}, then k-means", *cells]) + " |")
        seeds = max((self._count(data, row) for row in self.known(data)), default=0)
        return f"**{data}**, seeds: {seeds}, reconstruction in {unit}\n\n" + "\n".join(lines)

    def _count(self, data: str, row: str) -> int:
        return len(self.values.get((data, row, "knn"), {}))

    def tests(self, own: str = "nvc") -> dict[str, dict[str, dict[str, Test]]]:
        """By data set, other row and column: a row beside each of the others."""
        found: dict[str, dict[str, dict[str, Test]]] = {}
        for data in self.sets:
            for row in self.known(data):
                for column in TESTED:
                    mine = self.values.get((data, own, column), {})
                    theirs = self.values.get((data, row, column), {})
                    test = paired(mine, theirs) if row != own else None
                    if test is not None:
                        found.setdefault(data, {}).setdefault(row, {})[column] = test
        return found

    def test_table(self, other: str, own: str = "nvc") -> str:
        """Markdown: the mean difference of two rows, and p of the paired t-test and Wilcoxon's."""
        titles = [COLUMNS[column].title for column in TESTED]
        lines = ["| " + " | ".join(["", *titles]) + " |", "|---" * (len(TESTED) + 1) + "|"]
        for data, rows in self.tests(own).items():
            if other not in rows:
                continue
            cells = []
            for column in TESTED:
                less_is_better = column == "reconstruction"
                digits = COLUMNS[column].digits
                cells.append(shown_test(rows[other].get(column), digits, less_is_better))
            lines.append("| " + " | ".join([data, *cells]) + " |")
        title = f"**{ROWS[own].title} less {ROWS[other].title}**"
        title += ", its clusters those of k-means" if other in WITHOUT_CLUSTERS else ""
        title += "; p of the paired t-test, W of Wilcoxon's; bold: better with p < 0.05"
        return f"{title}\n\n" + "\n".join(lines)

    def markdown(self, units: dict[str, str]) -> str:
        """All tables."""
        tables = [self.table(data, units[data]) for data in self.sets if self.known(data)]
        tested = {row for rows in self.tests().values() for row in rows}
        tables += [self.test_table(other) for other in COMPARED if other in tested]
        return "\n\n".join(tables)

    def write(self, output: Path, units: dict[str, str]) -> None:
        """results.json, tables.md and a picture for each data set."""
        report: dict[str, Any] = {"units": units, "rows": {}, "tests": {}}
        for (data, row, column), values in self.values.items():
            entry = report["rows"].setdefault(data, {}).setdefault(row, {})
            entry[column] = summary(values)
        report["diverged"] = {f"{data} {row}": n for (data, row), n in self.diverged.items()}
        report["tests"] = {
            data: {
                row: {column: test._asdict() for column, test in columns.items()}
                for row, columns in rows.items()
            }
            for data, rows in self.tests().items()
        }
        (output / "results.json").write_text(json.dumps(report, indent=1))
        (output / "tables.md").write_text(self.markdown(units) + "\n")
        for data in self.sets:
            if self.known(data):
                self.draw(data, units[data], output / f"{data}.png")

    def draw(self, data: str, unit: str, path: Path) -> None:
        """A panel for each column, a line for each row: every seed a dot, and their mean."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        rows = self.known(data)[::-1]
        height = 1.2 + 0.24 * len(rows)
        figure, panels = pyplot.subplots(2, 5, figsize=(16, 2 * height), sharey=True)
        names = [name for name in COLUMNS if name != "step"]
        for panel, name in zip(panels.flat, names, strict=True):
            for line, row in enumerate(rows):
                values = list(self.values.get((data, row, name), {}).values())
                colour = "tab:red" if row == "nvc" else "tab:blue"
                panel.plot(values, [line] * len(values), ".", color=colour, alpha=0.5)
                if values:
                    panel.plot(np.mean(values), line, "|", color=colour, ms=14, mew=2)
            title = COLUMNS[name].title
            panel.set_title(f"{title}, {unit}" if name == "reconstruction" else title, fontsize=9)
            panel.set_ylim(-0.7, len(rows) - 0.3)
            panel.grid(axis="x", alpha=0.3)
            panel.tick_params(labelsize=8)
        for panel in panels[:, 0]:
            panel.set_yticks(range(len(rows)), [ROWS[row].title for row in rows])
        figure.suptitle(data)
        figure.tight_layout()
        figure.savefig(path, dpi=110)
        pyplot.close(figure)
