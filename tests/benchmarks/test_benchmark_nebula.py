"""The study of the nebula: cells that go on, paired tests, measures, rows that train."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

pytest.importorskip("sklearn", reason="the study needs scikit-learn")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import nebula_loops
from nebula_study import cells, datasets, measures, models, report, training
from nebula_study.cells import Cell
from nebula_study.rows import ROWS
from pairing import paired
from results import write_between

full = datasets.digits()


@pytest.fixture
def tiny() -> datasets.Dataset:
    return replace(full, steps=9)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_trains_and_is_judged(row: str, tiny: datasets.Dataset) -> None:
    model = training.train(row, tiny, seed=1)
    found = measures.judge(model, tiny, seed=1)
    judged = {name for name in report.COLUMNS if name not in ("step", "ratio")}
    assert found.keys() == judged
    assert all(np.isfinite(value) for value in found.values())
    assert model.code(tiny.test).shape == (397, models.LATENT)


def test_rows_of_a_seed_share_their_start_and_batches(tiny: datasets.Dataset) -> None:
    starts = []
    for row in ("ae", "vae", "nvc"):
        torch.manual_seed(5)
        starts.append(ROWS[row].model(tiny, **ROWS[row].settings).encoder.state_dict())
    for start in starts[1:]:
        assert all(torch.equal(start[name], starts[0][name]) for name in start)
    first, second = (next(training.shuffled(tiny, 5)) for _ in range(2))
    assert torch.equal(first, second)


def test_ablations_take_away_what_they_say(tiny: datasets.Dataset) -> None:
    def nebula(placed: str) -> models.AblatedNebula:
        torch.manual_seed(0)
        return models.AblatedNebula("mixture", placed, warmup_steps=20)

    features = torch.randn(64, datasets.FEATURES, generator=torch.Generator().manual_seed(0)) + 5
    for placed, asleep, at_waking, awake in [
        ("later", False, False, True),
        ("first", True, True, False),
        ("never", False, False, False),
    ]:
        head = nebula(placed)
        moved = []
        for _ in range(60):
            before = head.anchors.detach().clone()
            head(features + 0.3 * torch.randn(64, datasets.FEATURES))
            moved.append(not torch.equal(before, head.anchors))
        assert any(moved[:20]) == asleep, placed
        assert moved[20] == at_waking, placed
        assert any(moved[21:]) == awake, placed

    head = models.AblatedNebula("origin", "always", warmup_steps=0, scale=1.0)
    for _ in range(3):
        code = head(features)
    found, full = head.losses(code), super(models.AblatedNebula, head).losses(code)
    expected = 0.5 * (code.mean.square() + code.log_variance.exp() - 1 - code.log_variance)
    torch.testing.assert_close(found.kl, expected.sum(1).mean())
    torch.testing.assert_close(found.total - full.total, found.kl - full.kl)


def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Cell("judge", "ae", "digits", seed) for seed in (1, 2)]
    monkeypatch.setattr(datasets, "digits", lambda: replace(full, steps=3))
    first = cells.compute(wanted[0], None, tmp_path)
    assert cells.stored(wanted[0], tmp_path) == json.loads(json.dumps(first))
    assert cells.stored(wanted[1], tmp_path) is None
    assert not list(tmp_path.glob("cells/*.part"))
    assert list(cells.run(wanted[:1], None, tmp_path, workers=1)) == []
    again = cells.compute(wanted[0], None, tmp_path)
    assert again["values"] == first["values"]

    monkeypatch.setitem(ROWS, "ae", replace(ROWS["ae"], settings={"changed": 1}))
    assert cells.stored(wanted[0], tmp_path) is None


def test_a_divergence_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blown = replace(full, steps=3, nats=float("inf"))
    monkeypatch.setattr(datasets, "digits", lambda: blown)
    for row in ("ae", "nvc"):
        result = cells.compute(Cell("judge", row, "digits", 1), None, tmp_path)
        assert "NaN or inf" in result["diverged"], row
        assert result["values"] == {}
    study = report.Study(tmp_path, ["ae", "nvc"], ["digits"], [1])
    assert "diverged with 1 of 1 seeds" in study.table("digits", "nats")


def test_paired_test_is_scipys() -> None:
    rng = np.random.default_rng(0)
    own = dict(enumerate(rng.normal(1, 1, 8)))
    other = dict(enumerate(rng.normal(0, 1, 8)))
    found = paired(own, {**other, 99: 5.0})
    assert found is not None
    values = list(own.values()), list(other.values())
    assert found.seeds == 8
    assert found.difference == pytest.approx(np.mean(values[0]) - np.mean(values[1]))
    assert found.t == pytest.approx(stats.ttest_rel(*values).pvalue)
    assert found.wilcoxon == pytest.approx(stats.wilcoxon(*values).pvalue)
    few = paired({1: 1.0, 2: 2.0}, {1: 1.0, 2: 2.0})
    assert few is not None and (few.t, few.wilcoxon) == (1.0, None)
    assert paired({1: 1.0}, {2: 2.0}) is None


def test_measures_on_clusters_counted_by_hand() -> None:
    groups, known = np.array([0, 0, 0, 1, 1, 4]), np.array([2, 2, 0, 1, 1, 0])
    own, truth = np.array([0, 1, 4, 4]), np.array([2, 0, 0, 2])
    # Clusters 0, 1 and 4 say 2, 1 and 0: right for the first and the third.
    assert measures.majority_vote(groups, known, own, truth) == 0.5
    # The best pairing: 0 with 2, and 4 or 1 with 0.
    assert measures.hungarian(own, truth) == 0.5
    assert measures.perplexity(np.array([0, 0, 5, 5])) == pytest.approx(2)
    assert measures.perplexity(np.zeros(7, np.int64)) == pytest.approx(1)


def test_tables_go_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- nebula: ours -->\nold\n<!-- /nebula -->\nafter\n")
    write_between(page, "nebula", "new")
    write_between(page, "nebula", "newer")
    assert page.read_text() == "before\n<!-- nebula: ours -->\nnewer\n<!-- /nebula -->\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="each once"):
        write_between(page, "nebula", "new")


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mnist needs --data"):
        datasets.load("mnist", None, tmp_path)
    with pytest.raises(ValueError, match="not a folder"):
        datasets.load("voxels", tmp_path, tmp_path)


def test_voxels_leave_empty_grids_out(data_dir: Path, tmp_path: Path) -> None:
    data = datasets.load("voxels", data_dir, tmp_path)
    assert bool(data.inputs.flatten(1).any(1).all())
    assert data.inputs.shape == (1098, 1, 16, 16, 16)


def test_other_loops_train_and_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nebula_loops, "EPOCHS", 1)
    found = {row: nebula_loops.trained(loop, full, 1) for row, loop in nebula_loops.ROWS.items()}
    assert len({values["nats"] for values in found.values()}) == len(found)
    assert all(0.1 < values["vote"] <= 1 for values in found.values())
