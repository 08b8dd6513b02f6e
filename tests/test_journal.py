"""The losses of a run, as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

from nvc3d.journal import LossTable


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_losses_are_a_row_a_log(tmp_path: Path) -> None:
    table = LossTable(tmp_path / "losses.csv", 0)
    table.add(10, "train", {"total": 0.5, "kl": 0.1, "rate": 1e-3})
    table.add(10, "validation", {"total": 0.75, "kl": 0.1, "new": 1.0})
    assert rows(tmp_path / "losses.csv") == [
        {"step": "10", "split": "train", "total": "0.5", "kl": "0.1", "rate": "0.001"},
        {
            "step": "10",
            "split": "validation",
            "total": "0.75",
            "kl": "0.1",
            "rate": "",
        },
    ]


def test_what_a_resumed_run_goes_over_again_goes(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    table = LossTable(path, 0)
    for step in (10, 20, 30):
        table.add(step, "train", {"total": float(step)})
    with path.open("a") as file:
        file.write("4")  # killed while it wrote
    LossTable(path, 20).add(30, "train", {"total": 3.5})
    assert [(row["step"], row["total"]) for row in rows(path)] == [
        ("10", "10.0"),
        ("20", "20.0"),
        ("30", "3.5"),
    ]
    # A run that starts anew keeps nothing.
    LossTable(path, 0)
    assert not path.exists()
