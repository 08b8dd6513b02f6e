"""The study on real data: what is held out, and its test of hits."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("scipy", reason="the study needs SciPy")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import cells
import real
from pairing import mcnemar
from real_folders import write_all
from real_study import cells as study
from real_study import rows
from real_study.damage import DAMAGES, FEW, damaged
from real_study.layouts import categories, held_out
from references.training import train
from task_study import setting
from torch import nn

TINY: dict[str, dict[str, Any]] = {
    "classification": {"points": 48},
    "segmentation": {"points": 64},
    "voxel_completion": {"test_last": 3},
    "completion": {"input_points": 64, "points": 256, "coarse": 32, "seeds": 48},
}
"""Of a row, what makes it learn in seconds."""


def test_every_item_is_held_out_once() -> None:
    names = [f"{number}" for number in range(14)]
    parts = [held_out(names, seed, 3) for seed in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert held_out(names, 4, 3) == parts[0]


def test_a_fifth_of_each_category_is_laid_aside(tmp_path: Path) -> None:
    for kind in ("chair", "sofa"):
        (tmp_path / "given" / kind / "train").mkdir(parents=True)
        for number in range(10):
            (tmp_path / "given" / kind / "train" / f"{number}.npy").touch()
    categories(tmp_path / "given", 1, tmp_path / "laid")
    for kind in ("chair", "sofa"):
        found = [len(list((tmp_path / "laid" / s / kind).iterdir())) for s in ("train", "test")]
        assert found == [8, 2]


def test_hits_are_compared_where_they_differ() -> None:
    own, other = [True] * 6 + [False, True], [False] * 5 + [True] * 3
    assert mcnemar(own, other) == (5, 1, pytest.approx(2 * 7 / 2**6))


def test_the_rate_of_a_plain_network_falls_along_a_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rates = nn.Linear(1, 1), []
    step = torch.optim.Adam.step

    def noted(self: torch.optim.Adam, *arguments: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    batch = {"x": torch.ones(2, 1)}
    train(model, lambda model, batch: model(batch["x"]).square().mean(), iter([batch] * 9), 4)
    assert rates == pytest.approx([1e-3, 0.854e-3, 0.5e-3, 0.146e-3], rel=1e-2)


def test_a_plain_network_takes_as_many_steps_as_fit_into_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_all(tmp_path / "data")
    row = rows.ROWS["chairs"]
    small = {**row.config, **TINY[row.task]}
    monkeypatch.setitem(
        rows.ROWS, "chairs", replace(row, config=small, training={"batch_size": 4, "steps": 6})
    )
    turns = iter([0.3, 0.1])  # the plain network's, and nvc3d's
    monkeypatch.setattr(study, "_probed", lambda *asked: {"turn": next(turns)})
    cell = study.Cell("chairs", "3-D U-Net, for as long", 1, tmp_path / "data", tmp_path)
    (tmp_path / "folder").mkdir()
    assert cell.compute(tmp_path / "folder")["steps"] == 2


def test_damaged_clouds_are_made_ready_as_any_cloud_is() -> None:
    points = torch.nn.functional.normalize(torch.randn(2, 256, 3), dim=2)
    for name, damage in DAMAGES.items():
        rng = np.random.default_rng(0)
        found = damaged({"points": points, "label": 7}, damage, rng)
        assert found["label"] == 7 and found["points"].shape == points.shape, name
        assert found["points"].norm(dim=2).amax(1) == pytest.approx([1, 1], abs=1e-5), name
    few = damaged({"points": points}, DAMAGES[f"{FEW} points"], np.random.default_rng(0))["points"]
    assert len(few[0].unique(dim=0)) == FEW


def _serial(
    function: Callable[[Any], Any], items: Iterable[Any], workers: int, fresh: bool
) -> Iterator[tuple[Any, Any]]:
    """As `processes.each`, in this process."""
    return ((item, function(item)) for item in items)


@pytest.mark.slow
def test_every_row_learns_is_measured_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_all(tmp_path / "data")
    for name, row in rows.ROWS.items():
        small = replace(
            row, config={**row.config, **TINY[row.task]}, training={"batch_size": 4, "steps": 2}
        )
        monkeypatch.setitem(rows.ROWS, name, small)
    monkeypatch.setattr(setting, "QUICK_STEPS", 2)
    monkeypatch.setattr(study, "WARM", 0)
    monkeypatch.setattr(study, "TIMED", 1)
    monkeypatch.setattr(cells, "each", _serial)
    page = tmp_path / "page.md"
    page.write_text("<!-- real: here -->\n<!-- /real -->\n")
    asked = ["--data", f"{tmp_path / 'data'}", "--output", f"{tmp_path / 'out'}", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["real.py", *asked, "--quick", "--markdown", f"{page}"])
    real.main()
    text = page.read_text()
    for row in rows.ROWS.values():
        table = text.partition(f"**{row.title}**, seed 1")[2].partition("\n\n**")[0]
        programs = [line.split("|")[1].strip() for line in table.splitlines() if line[:1] == "|"]
        own, plain = row.own(every=False), row.references(every=False)
        assert programs[2:] == [*(f"nvc3d, {program}" for program in own), *plain]
        assert "nan" not in table
    assert "on damaged clouds" in text and "Speed of learning" in text
    capsys.readouterr()
    real.main()  # all of it is stored
    assert re.match(r"(\d+) cells, \1 of them stored", capsys.readouterr().out)
