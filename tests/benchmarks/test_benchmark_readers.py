"""How fast data are read: which there are, and that whole epochs go by."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="the tables need SciPy")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import readers
from real_folders import write_all

from nvc3d.tasks import ADAPTED, TASKS


def test_data_sets_in_folders_are_found_beside_what_is_built_in(tmp_path: Path) -> None:
    write_all(tmp_path)
    found = [*readers.sources(tmp_path)]
    assert [name for name, _, _ in found[-2:]] == [
        "SemanticKITTI, frames: semantickitti",
        "Sydney Urban Objects: sydney_urban",
    ]
    assert [task for _, task, _ in found[-2:]] == ["segmentation", "classification"]
    assert {task for _, task, _ in readers.sources(None)} == set(TASKS) - set(ADAPTED)


def test_samples_are_counted_over_epochs(tmp_path: Path) -> None:
    write_all(tmp_path)
    *_, (_, task, config) = readers.sources(tmp_path)
    items = TASKS[task].splits(TASKS[task].config(**config, points=32)).train
    epochs = []
    set_epoch = items.set_epoch
    items.set_epoch = lambda epoch: (epochs.append(epoch), set_epoch(epoch))  # type: ignore
    assert readers.rate(items, 0.05, 0) > 0
    assert epochs == [*range(len(epochs))] and len(epochs) > 1
