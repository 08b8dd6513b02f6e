"""The study of the tasks: settings that differ in the code alone, cells that go on, tables."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="the study needs SciPy")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import cells
from task_study import report, settings
from task_study.cells import Cell

FEW = {"shapes": 46, "points": 64}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting that trains in a second."""
    setting = settings.STUDIES["classification"][0]
    small = replace(setting, config=setting.config | FEW, training={"batch_size": 8})
    monkeypatch.setitem(settings.STUDIES, "classification", (small,))
    monkeypatch.setattr(settings, "QUICK_STEPS", 2)


@pytest.mark.parametrize("study", settings.STUDIES)
def test_runs_of_a_setting_differ_in_the_bottleneck_alone(study: str, tmp_path: Path) -> None:
    for setting in settings.STUDIES[study]:
        runs = [setting.run(code, 3, tmp_path) for code in settings.CODES]
        assert [run.config.bottleneck for run in runs] == list(settings.CODES)
        for run in runs:
            assert replace(run.config, bottleneck="plain") == replace(
                runs[0].config, bottleneck="plain"
            )
            assert run.training == runs[0].training
            assert run.config.seed == 3


def test_a_cell_is_stored_found_again_and_shown(tiny: None, tmp_path: Path) -> None:
    asked = [Cell("classification", 0, code, 1, None, quick=True) for code in settings.CODES[:2]]
    results = [cells.compute(cell, tmp_path) for cell in asked]
    for cell, result in zip(asked, results, strict=True):
        assert cells.stored(cell, tmp_path)["values"] == result["values"]
        assert all(0 <= value <= 1 for value in result["values"].values())
    assert cells.stored(replace(asked[0], seed=2), tmp_path) is None
    assert not list(tmp_path.glob(".run-*"))
    text = report.markdown("classification", asked, tmp_path)
    shown = results[0]["values"]["classification: accuracy"]
    assert f"| {shown:.3f} |" in text


def test_a_setting_of_a_folder_asks_for_it() -> None:
    needing = [s for some in settings.STUDIES.values() for s in some if s.folder is not None]
    for setting in needing:
        with pytest.raises(ValueError, match="needs --data"):
            setting.run("plain", 1, None)
