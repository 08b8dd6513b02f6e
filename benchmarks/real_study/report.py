"""Tables of real data: each row's programs by their measures, a test, and the cost of learning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import nan
from pathlib import Path
from statistics import mean
from typing import Any

from cells import Result, stored
from pairing import BySeed, mcnemar, paired, shown, shown_p, shown_test, summary
from results import write
from task_study.setting import Measure

from .cells import Cell
from .damage import DAMAGES
from .rows import FOR_AS_LONG, ROWS, SOONER, Row

Found = dict[str, dict[int, Result]]
"""program -> seed -> result"""


def collect(cells: Iterable[Cell], output: Path) -> dict[str, Found]:
    """All that is stored of some cells, by row."""
    found: dict[str, Found] = {}
    for cell in cells:
        if result := stored(cell, output):
            found.setdefault(cell.row, {}).setdefault(cell.program, {})[cell.seed] = result
    return found


def markdown(cells: Sequence[Cell], output: Path) -> str:
    """A table of each row, of damaged clouds, and of what learning costs."""
    rows = collect(cells, output)
    parts = [_row(ROWS[name], found) for name, found in rows.items()]
    parts += [_damaged(ROWS[name], found) for name, found in rows.items() if ROWS[name].damaged]
    return "\n\n".join([*parts, _speed(rows)]) if parts else "nothing is stored"


def save(cells: Sequence[Cell], output: Path) -> None:
    """Write real.json and real.md."""
    report: dict[str, Any] = {}
    for row, found in collect(cells, output).items():
        for program, results in found.items():
            entry = report.setdefault(row, {}).setdefault(program, {})
            for measure in ROWS[row].measures:
                if values := _values(results, measure):
                    entry[measure.column] = summary(values)
            for cost in ("training", "steps", "step", "memory", "read"):
                if values := _costs(results, cost):
                    entry[cost] = summary(values)
            for damage in DAMAGES:
                if values := _on_damaged(results, damage):
                    entry[damage] = summary(values)
    write(output / "real.json", report)
    (output / "real.md").write_text(markdown(cells, output) + "\n")


def _values(results: dict[int, Result], measure: Measure) -> BySeed:
    return {
        seed: result["values"][measure.column]
        for seed, result in results.items()
        if measure.column in result["values"]
    }


def _costs(results: dict[int, Result], name: str) -> BySeed:
    return {seed: result[name] for seed, result in results.items() if name in result}


def _on_damaged(results: dict[int, Result], damage: str) -> BySeed:
    return {
        seed: result["damaged"][damage] for seed, result in results.items() if "damaged" in result
    }


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    rule = "|---" * len(head) + "|"
    return "\n".join(["| " + " | ".join(head) + " |", rule, *map(_line, lines)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _name(row: Row, program: str) -> str:
    return program if row.reference(program) else f"nvc3d, {program}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _of(results: dict[int, Result], seeds: Sequence[int]) -> str:
    """Which seeds a program has, where others have more."""
    return "" if len(results) == len(seeds) else f" ({_seeds(sorted(results))})"


def _row(row: Row, found: Found) -> str:
    measures = row.measures
    seeds = sorted({seed for results in found.values() for seed in results})
    head = ["", *(measure.column for measure in measures), "steps", "training, CPU s"]
    lines = [
        [
            _name(row, program) + _of(results, seeds),
            *(shown(_values(results, m), m.digits) for m in measures),
            f"{_mean(results, 'steps'):.0f}",
            shown(_costs(results, "training"), 0),
        ]
        for program, results in found.items()
    ]
    title = f"**{row.title}**, {_seeds(seeds)}"
    title += f"; {row.published}" if row.published else ""
    plain = [program for program in found if row.reference(program)]
    long = [program for program in plain if program.endswith(FOR_AS_LONG)]
    equal = [program for program in plain if program not in long]
    tests = [_test(row, found, programs) for programs in (equal, long)]
    tests.append(_sooner(row, found, plain))
    return "\n\n".join([title, table(head, lines), *filter(None, tests)])


def _damaged(row: Row, found: Found) -> str:
    """How much is left of the first measure on damaged clouds."""
    first = row.measures[0]
    lines = [
        [
            _name(row, program),
            shown(_values(results, first), first.digits),
            *(shown(_on_damaged(results, damage), first.digits) for damage in DAMAGES),
        ]
        for program, results in found.items()
    ]
    title = f"**{row.title}**: {first.column} on damaged clouds"
    return f"{title}\n\n{table(['', 'as they are', *DAMAGES], lines)}"


def _score(row: Row, found: Found) -> Callable[[str], float]:
    """How good a program is by the row's first measure: more is better."""
    first = row.measures[0]

    def score(program: str) -> float:
        values = _values(found[program], first)
        worth = mean(values.values()) if values else -float("inf")
        return -worth if first.less_is_better and values else worth

    return score


def _test(row: Row, found: Found, plain: list[str]) -> str:
    """The default beside the best of some plain networks."""
    if row.default not in found or not plain:
        return ""
    best = max(plain, key=_score(row, found))
    own, other = found[row.default], found[best]
    told = f"nvc3d, {row.default}, beside {best}: "
    seeds = sorted(
        seed for seed in own.keys() & other.keys() if own[seed]["values"] and other[seed]["values"]
    )
    if all("hits" in own[seed] for seed in seeds) and seeds:
        hits = [
            [hit for seed in seeds for hit in results[seed]["hits"]] for results in (own, other)
        ]
        won, lost, p = mcnemar(*hits)
        told += f"{won} shapes right that the other has wrong, {lost} wrong that it has right, "
        return f"{told}of {len(hits[0])}; McNemar's p {shown_p(p)}."
    first = row.measures[0]
    test = paired(_values(own, first), _values(other, first))
    if test is None:
        return ""
    return f"{told}{first.column} {shown_test(test, first.digits, first.less_is_better)}."


def _sooner(row: Row, found: Found, plain: list[str]) -> str:
    """What the default has learned when it stops early, beside the best that plain networks have
    at the end."""
    early = row.default + SOONER
    if early not in found or not plain:
        return ""
    first, best = row.measures[0], max(plain, key=_score(row, found))

    def told(program: str) -> str:
        values, seconds = _values(found[program], first), _mean(found[program], "training")
        return f"{_name(row, program)} has {shown(values, first.digits)} after {seconds:.0f} s"

    score = _score(row, found)
    verdict = "ahead" if score(early) > score(best) else "not ahead"
    return f"{first.column}: {told(early)}, {told(best)}: {verdict}."


def _speed(rows: dict[str, Found]) -> str:
    """Seconds and memory of a step of the default, beside those of each plain network."""
    head = ["", "", "step, CPU s", "nvc3d's", "ratio", "memory, MiB", "nvc3d's", "ratio"]
    head += ["samples read a second", "learned from a second, nvc3d"]
    lines = []
    for name, found in rows.items():
        row = ROWS[name]
        if row.default not in found:
            continue
        own = {
            cost: _mean(found[row.default], cost) for cost in ("step", "memory", "read", "needed")
        }
        for program in found:
            if not program.endswith(FOR_AS_LONG):
                continue
            other = {cost: _mean(found[program], cost) for cost in ("step", "memory")}
            mib = [cost["memory"] / 2**20 for cost in (other, own)]
            network = program.removesuffix(FOR_AS_LONG)
            line = [name, network, f"{other['step']:.3f}", f"{own['step']:.3f}"]
            line += [f"{other['step'] / own['step']:.1f}", *(f"{size:.0f}" for size in mib)]
            # A tiny network may add no page to what its process holds already.
            line.append(f"{mib[0] / mib[1]:.1f}" if mib[1] else "–")
            line += [f"{own['read']:.0f}", f"{own['needed']:.0f}"]
            lines.append(line)
    title = "**Speed of learning**; ratios: the plain network's to nvc3d's"
    return f"{title}\n\n{table(head, lines)}"


def _mean(results: dict[int, Result], cost: str) -> float:
    return mean(_costs(results, cost).values() or [nan])
