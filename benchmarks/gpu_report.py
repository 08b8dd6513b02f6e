"""Writes what was measured on a GPU into the pages: `python benchmarks/gpu_report.py REPORT.json`.

The report comes from benchmarks/gpu_parts.py. docs/speed.md gets all of it, README.md the rows it
shows, and `nvc3d doctor` the GPU's name.
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

from results import write_between

ROOT = Path(__file__).parents[1]
IN_README = (
    ("nearest", "cube 8×2048"),
    ("nearest", "cube 1×100000"),
    ("chamfer", "cube 8×2048"),
    ("knn", "8×2048, 3-d, k=20"),
    ("ball_query", "cube 8×16384, radius 0.1, k=32"),
    ("farthest_point_sampling", "cube 8×16384→2048"),
    ("assign_anchors", "262144×256×256"),
)


def markdown(report: dict[str, Any]) -> str:
    """All of the report, in the order of its parts; what was not run is said."""
    head = f"On one {report['machine']}, nvc3d {report['nvc3d']}:"
    parts = (_checks(report, "tests"), _checks(report, "sanitizers"), _times(report))
    return "\n\n".join((head, *parts))


def _checks(report: dict[str, Any], part: str) -> str:
    if part not in report:
        return f"The part `{part}` was not run."
    lines = [f"| {part} | passed | failed | skipped | seconds |", "|---|---:|---:|---:|---:|"]
    for check in report[part]:
        if "missing" in check:
            lines.append(f"| {check['name']} | not run: {check['missing']} | | | |")
            continue
        stopped = f" (ended with {check['code']})" if check["code"] else ""
        lines.append(
            f"| {check['name']}{stopped} | {check['passed']} | {check['failed']} "
            f"| {check['skipped']} | {check['seconds']:.0f} |"
        )
    return "\n".join(lines)


def _times(report: dict[str, Any]) -> str:
    """A table per operator."""
    if "rows" not in report:
        return "The part `speed` was not run."
    tables = [
        "Milliseconds: on the device alone (replays of a captured graph), of a call without the "
        "check of values, of a call as users write it, and of the peers' calls. `roofline` is the "
        "least time in which this GPU could look at all pairs, over the time on the device: trees "
        "may beat it."
    ]
    for operator in dict.fromkeys(row["operator"] for row in report["rows"]):
        mine = [row for row in report["rows"] if row["operator"] == operator]
        peers = list(dict.fromkeys(name for row in mine for name in row["peers"]))
        heads = [operator, "device", "unchecked", "call", *peers, "roofline", "error"]
        lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
        for row in mine:
            cells = [_number(row[key]) for key in ("device", "unchecked", "called")]
            cells += [_peer(row, name) for name in peers]
            share = row["least"] / row["device"]
            cells += ["–" if math.isnan(share) else f"{share:.2f}", f"{row['error']:.0e}"]
            lines.append(f"| {row['name']} | {' | '.join(cells)} |".replace("nan", "–"))
        tables.append("\n".join(lines))
    if report.get("rows_left_out"):
        tables.append(f"{report['rows_left_out']} rows were left out: the time was up.")
    return "\n\n".join(tables)


def short(report: dict[str, Any]) -> str:
    """The rows of the README."""
    lines = [
        "| operator | what | device, ms | call, ms | best peer, ms |",
        "|---|---|---:|---:|---:|",
    ]
    rows = {(row["operator"], row["name"]): row for row in report["rows"]}
    for row in (rows[key] for key in IN_README if key in rows):
        right = {k: v for k, v in row["peers"].items() if not row["peer_errors"].get(k, 0) > 0.01}
        best = min(right, key=right.__getitem__, default="")
        peer = f"{_number(right[best])} ({best})" if best else "–"
        lines.append(
            f"| {row['operator']} | {row['name']} | {_number(row['device'])} "
            f"| {_number(row['called'])} | {peer} |"
        )
    return f"On one {report['machine']}:\n\n" + "\n".join(lines) + "\n"


def _peer(row: dict[str, Any], name: str) -> str:
    if name not in row["peers"]:
        return "–"
    wrong = " (wrong)" if row["peer_errors"].get(name, 0) > 0.01 else ""
    return _number(row["peers"][name]) + wrong


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def unfit(report: dict[str, Any]) -> str:
    """Why pages must not be written from a report; empty where they may."""
    if missing := [part for part in ("tests", "sanitizers", "rows") if part not in report]:
        return f"the report lacks {', '.join(missing)}: run those parts of benchmarks/gpu_parts.py"
    checks = report["tests"] + report["sanitizers"]
    if failed := [check["name"] for check in checks if check.get("code")]:
        return f"on the GPU these failed: {', '.join(failed)}"
    return ""


def write_pages(report: dict[str, Any], root: Path = ROOT) -> None:
    """Raises ValueError where the report is not whole or something failed on the GPU."""
    if reason := unfit(report):
        raise ValueError(reason)
    write_between(root / "docs" / "speed.md", "gpu", markdown(report))
    write_between(root / "README.md", "gpu", short(report))
    path = root / "nvc3d" / "ops" / "hardware.py"
    line = f"RUN_ON = {json.dumps(report['gpu'])}"
    text, count = re.subn(r"(?m)^RUN_ON = .*$", lambda _: line, path.read_text())
    if count != 1:
        raise ValueError(f"{path} must hold one line that begins with RUN_ON =")
    path.write_text(text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        write_pages(json.loads(Path(sys.argv[1]).read_text()))
    except ValueError as error:
        sys.exit(f"no page was written: {error}")
