"""The study of the tasks: settings that differ in the code alone, cells that go on, tables."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("scipy", reason="the study needs SciPy")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import cells
import tasks
from task_study import generating, labelling, report, setting, settings
from task_study.cells import Cell
from task_study.outside import mahalanobis
from task_study.uses import USES

from nvc3d.adapters.text import grammar
from nvc3d.tasks import TASKS

FEW = {"shapes": 46, "points": 64}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting of each study of classification, that trains in a second."""
    for study in ("classification", *USES):
        own = settings.STUDIES[study][0]
        small = replace(own, config={**own.config, **FEW}, training={"batch_size": 8})
        monkeypatch.setitem(settings.STUDIES, study, (small,))
    monkeypatch.setattr(setting, "QUICK_STEPS", 2)
    monkeypatch.setattr(generating, "CLOUDS", 20)
    data = import_module("nvc3d.tasks.classification.data")  # the package's `data` is a function
    monkeypatch.setattr(data, "TEST_SHAPES", 46)


@pytest.mark.parametrize("study", settings.STUDIES)
def test_runs_of_a_setting_differ_in_the_bottleneck_alone(study: str, tmp_path: Path) -> None:
    for own in settings.STUDIES[study]:
        runs = [own.run(column, 3, tmp_path) for column in own.columns]
        codes = [column if column in setting.CODES else "nebula" for column in own.columns]
        assert [run.config.bottleneck for run in runs] == codes
        for run in runs:
            assert replace(run.config, bottleneck="plain") == replace(
                runs[0].config, bottleneck="plain"
            )
            assert run.training == runs[0].training
            assert run.config.seed == 3


def test_a_cell_is_stored_found_again_and_shown(tiny: None, tmp_path: Path) -> None:
    asked = [Cell("classification", 0, code, 1, None, quick=True) for code in setting.CODES[:2]]
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
    for own in needing:
        with pytest.raises(ValueError, match="needs --data"):
            own.run("plain", 1, None)


@pytest.mark.parametrize("study", USES)
def test_a_quick_study_of_a_use_has_all_its_measures(
    study: str, tiny: None, tmp_path: Path
) -> None:
    own = settings.STUDIES[study][0]
    asked = [Cell(study, 0, column, 1, None, quick=True) for column in own.columns]
    found = [set(cells.compute(cell, tmp_path)["values"]) for cell in asked]
    assert found[-1] == {measure.name for measure in own.measures}
    # A plain code has no density and no prior of its own.
    assert found[0] == found[-1] - {
        name for name in found[-1] if "own " in name or "nearest anchor" in name
    }
    assert len(report.markdown(study, asked, tmp_path).splitlines()) == 4 + len(own.measures)


def test_a_quick_study_of_hand_pose_has_every_form_and_the_nearest_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings.STUDIES["hand-pose"][0]
    small = replace(own, config={"points": 64, "frames": 16}, training={"batch_size": 8})
    monkeypatch.setitem(settings.STUDIES, "hand-pose", (small,))
    monkeypatch.setattr(setting, "QUICK_STEPS", 2)
    monkeypatch.setattr(import_module("nvc3d.tasks.hand_pose.data"), "TEST_FRAMES", 16)
    asked = [Cell("hand-pose", 0, column, 1, None, quick=True) for column in own.columns]
    found = {cell.code: cells.compute(cell, tmp_path)["values"] for cell in asked}
    one = {name for name in found["nebula"] if "best" not in name and "spread" not in name}
    assert set(found["nebula"]) == {measure.name for measure in own.measures}
    assert set(found["plain"]) == set(found["side"]) == one
    assert set(found["vae"]) == set(found["exemplars"]) == set(found["nebula"])
    # Both look at the same hands of training, and at no network.
    for row in ("mean hand", "nearest hand"):
        assert len({values[f"{row}: mean_error_mm"] for values in found.values()}) == 1


def test_labels_are_of_each_category_or_those_asked_for(tiny: None, tmp_path: Path) -> None:
    run = settings.STUDIES["few-labels"][0].run("plain", 1, None, quick=True)
    own = labelling.of_each(run, "plain", tmp_path, count=2)
    splits = own.task.splits(own.config)
    label = np.array(labelling.labels_of(splits))
    assert np.bincount(label[sorted(splits.train.labelled)]).tolist() == [2] * 23
    chosen = {}
    run = settings.STUDIES["ask"][0].run("anchors", 1, None, quick=True)
    for way in labelling.WAYS:
        own = labelling.asked_for(run, way, tmp_path, count=1)
        chosen[way] = own.task.splits(own.config).train.labelled
    assert [len(numbers) for numbers in chosen.values()] == [23] * 3
    assert len(list((tmp_path / "codes").iterdir())) == 1  # one training for all that look at codes
    means, anchors = labelling.unlabelled_codes(run, tmp_path)
    assert chosen["anchors"] == set(labelling.representatives(means, anchors, 23))


def test_unseen_categories_are_in_no_batch_of_training(tiny: None, tmp_path: Path) -> None:
    own = settings.STUDIES["outside"][0]
    run = own.change(own.run("plain", 1, None, quick=True), "plain", tmp_path)
    splits = run.task.splits(run.config)
    seen = splits.vocabulary.groups
    assert len(seen) == 15 and len(splits.train.shapes) == 30
    assert all(0 <= int(item["label"]) < 15 for item in splits.train)
    outside = [int(splits.val[i]["label"]) < 0 for i in range(46)]
    assert sum(outside) == 16
    whole = TASKS["classification"].data(run.config)
    for i in range(23):
        category = whole.vocabulary.groups[int(whole.val[i]["label"])]
        assert outside[i] == (category not in seen)
        assert outside[i] or seen[int(splits.val[i]["label"])] == category


def test_mahalanobis_is_by_the_covariance_within_categories() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(size=(60, 3)) * (1, 2, 5) + np.arange(60)[:, None] % 2 * 9
    label = torch.arange(60) % 2
    latents = rng.normal(size=(5, 3)) * 9
    means = np.stack([known[::2].mean(0), known[1::2].mean(0)])
    rest = known - means[label]
    inverse = np.linalg.inv(rest.T @ rest / 60)
    offset = latents[:, None] - means[None]
    expected = np.einsum("bci,ij,bcj->bc", offset, inverse, offset).min(1)
    found = mahalanobis(torch.from_numpy(latents), torch.from_numpy(known), label)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_all_tables_of_a_page_are_written_by_one_command(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "follow", lambda cells, output, workers: 0)
    page = tmp_path / "page.md"
    names = list(settings.STUDIES)
    page.write_text("".join(f"<!-- {name}: here -->\n<!-- /{name} -->\n" for name in names))
    monkeypatch.setattr(
        sys, "argv", ["tasks.py", "--output", f"{tmp_path}", "--markdown", f"{page}"]
    )
    tasks.main()
    for name in names:
        assert f"**{name}**" in page.read_text()
    with pytest.raises(SystemExit):
        monkeypatch.setattr(sys, "argv", ["tasks.py", *names, "--settings", "1"])
        tasks.main()


def test_a_quick_study_of_planes_has_every_form_and_geometry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings.STUDIES["planes"][0]
    small = replace(own, config={"points": 128, "frames": 16}, training={"batch_size": 8})
    monkeypatch.setitem(settings.STUDIES, "planes", (small,))
    monkeypatch.setattr(setting, "QUICK_STEPS", 2)
    monkeypatch.setattr(import_module("nvc3d.tasks.planes.data"), "TEST_FRAMES", 8)
    asked = [Cell("planes", 0, column, 1, None, quick=True) for column in own.columns]
    found = {cell.code: cells.compute(cell, tmp_path)["values"] for cell in asked}
    assert all(set(values) == {m.name for m in own.measures} for values in found.values())
    # Geometry looks at the same points, and at no network.
    assert len({values["geometry alone: VOI flush"] for values in found.values()}) == 1
    assert asked[2].name() != asked[3].name()


def test_a_quick_study_of_translation_has_every_code_and_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sentencepiece")
    own = settings.STUDIES["translation"][0]
    size = {"dim": 16, "layers": 1, "hidden": 32, "pieces": 100, "latent_dim": 4, "anchors": 3}
    small = replace(own, config={**size, "train_first": 60}, folder=None)
    monkeypatch.setitem(settings.STUDIES, "translation", (small,))
    monkeypatch.setattr(setting, "QUICK_STEPS", 2)
    monkeypatch.setitem(grammar.SIZES, "test", 10)
    asked = [Cell("translation", 0, column, 1, None, quick=True) for column in own.columns]
    runs = {cell.code: small.change(cell.training, cell.code, tmp_path) for cell in asked}
    names = runs["none"].task.data(runs["none"].config).vocabulary
    sizes = {
        column: sum(p.numel() for p in run.task.model(run.config, names).parameters())
        for column, run in runs.items()
    }
    assert sizes["none"] < sizes["none, wide"] == pytest.approx(sizes["nebula"], rel=0.02)
    told = {
        cell.code: set(cells.compute(cell, tmp_path)["values"])
        for cell in asked
        if cell.code in ("none, wide", "noise", "nebula, metric")
    }
    assert told["nebula, metric"] == {measure.name for measure in own.measures}
    assert told["none, wide"] == {"translation: BLEU", "translation: chrF"}
    assert told["noise"] == told["none, wide"] | {"translation: active units"}
