"""A trained model in Python: loaded, called, its answers written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import untrained

import nvc3d
from nvc3d.checkpoint import CheckpointError
from nvc3d.cli import main
from nvc3d.files import read_shape
from nvc3d.geometry.mesh import Cloud
from nvc3d.loaded import Model
from nvc3d.shapes import make_shape


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier."""
    return untrained(tmp_path_factory.mktemp("run"), "classification", shapes=23)


@pytest.fixture
def model(run: Path) -> Model:
    return nvc3d.load(run)


def test_it_answers_one_shape_or_several(model: Model) -> None:
    rng = np.random.default_rng(0)
    cloud = rng.random((200, 3)).astype(np.float32)
    answer = model(cloud)
    assert answer.category in model.vocabulary.groups
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert answer.confidence == answer.probabilities.max()
    # Wherever it lies and however large it is, and of whatever type.
    for same in (torch.from_numpy(cloud), 50 * cloud.astype(np.float64) + 1000):
        assert model(same).probabilities == pytest.approx(answer.probabilities, abs=1e-3)
    unequal = model([cloud, rng.random((90, 3)), make_shape("mug", 0)])
    assert len(unequal) == 3
    assert np.array_equal(unequal[0].probabilities, answer.probabilities)
    assert len(model(rng.random((2, 50, 3)))) == 2


def test_a_batch_of_columns_has_one_more(model: Model, tmp_path: Path) -> None:
    """As Ray Data's map_batches hands it over."""
    clouds = [np.random.default_rng(i).random((30 + i, 3)) for i in range(3)]
    for i, cloud in enumerate(clouds):
        np.save(tmp_path / f"{i}.npy", cloud)
    rows = {"path": [str(tmp_path / f"{i}.npy") for i in range(3)], "owner": ["a", "b", "c"]}
    found = model(rows)
    assert list(found) == ["path", "owner", "answer"] and found["owner"] == rows["owner"]
    for batch in (found, model({"points": clouds})):
        for one, cloud in zip(batch["answer"], clouds, strict=True):
            assert np.array_equal(one.probabilities, model(cloud).probabilities)
    with pytest.raises(ValueError, match="with a column path or points, got owner"):
        model({"owner": ["a"]})


def test_an_answer_is_written(model: Model, tmp_path: Path) -> None:
    answer = model(np.random.default_rng(0).random((50, 3)))
    assert answer.write(tmp_path / "a-class.json") == [tmp_path / "a-class.json"]
    values = json.loads((tmp_path / "a-class.json").read_text())
    assert values["category"] == answer.category
    assert list(values["probabilities"]) == list(model.vocabulary.groups)


def test_every_task_answers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    chair = make_shape("chair", 3)
    far = Cloud(
        1e6 + 3 * chair.sample(300, rng)[0].astype(np.float64), {"intensity": rng.random(300)}
    )
    for name, task in (
        ("clouds", "completion"),
        ("parts", "segmentation"),
        ("grids", "voxel_completion"),
    ):
        untrained(tmp_path / name, task, shapes=23)

    answer = nvc3d.load(tmp_path / "clouds")(far, samples=3)
    assert len(answer.write(tmp_path / "whole.ply")) == 3
    whole = read_shape(tmp_path / "whole-1.ply")
    assert len(whole) == 300 + 192 and np.abs(whole.points[:300] - far.points).max() < 1e-3
    assert np.array_equal(whole.columns["intensity"][:300], far.columns["intensity"])

    answer = nvc3d.load(tmp_path / "parts")(Cloud(far.points, {"normal": np.ones((300, 3))}))
    assert answer.category in nvc3d.load(tmp_path / "parts").vocabulary.groups and answer.chosen
    answer = nvc3d.load(tmp_path / "parts")(chair, category="chair")
    assert {answer.label_names[i] for i in np.unique(answer.labels)} <= {
        f"chair {name}" for name in chair.label_names
    }
    answer.write(tmp_path / "chair.ply")
    parts = read_shape(tmp_path / "chair.ply")
    assert np.array_equal(parts.labels, answer.labels) and parts.colors is not None

    answer = nvc3d.load(tmp_path / "grids")(far, samples=2)
    assert [path.name for path in answer.write(tmp_path / "grid.npz")] == [
        "grid-1.npz",
        "grid-2.npz",
    ]
    assert np.load(tmp_path / "grid-1.npz")["voxels"].shape == (16, 16, 16)

    untrained(tmp_path / "hands", "hand_pose")
    hand = Cloud(rng.normal((0, 0, 500), 30, (300, 3)))
    answer = nvc3d.load(tmp_path / "hands")(hand, samples=2)
    assert answer.joints.shape == (21, 3) and answer.samples.shape == (2, 21, 3)
    written = answer.write(tmp_path / "hand-pose.json")
    assert len(written) == 6 and all(path.is_file() for path in written)


def test_nothing_is_guessed(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"classification.*unexpected keyword argument 'category'"):
        model(np.random.default_rng(0).random((9, 3)), category="mug")
    with pytest.raises(ValueError, match="no extent"):
        model(np.ones((9, 3)))
    with pytest.raises(CheckpointError, match="no run of nvc3d"):
        nvc3d.load(tmp_path)


def test_only_the_task_that_is_needed_is_imported(run: Path) -> None:
    code = f"import sys, nvc3d; nvc3d.load({str(run)!r}); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in out.stdout.split() if name.startswith("nvc3d.tasks.")}
    assert "nvc3d.tasks.classification" in loaded
    assert not {"nvc3d.tasks.completion", "nvc3d.tasks.segmentation"} & loaded
    assert not {"matplotlib", "huggingface_hub"} & set(out.stdout.split())


@pytest.mark.parametrize("dim", [10**15, 10**21])
def test_sizes_beyond_any_machine_are_refused(run: Path, tmp_path: Path, dim: int) -> None:
    told = json.loads((run / "config.json").read_text())
    told["model"]["dim"] = dim
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="describes a model that cannot be made"):
        nvc3d.load(tmp_path)


def test_classify_on_the_command_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans, output = tmp_path / "scans", tmp_path / "new" / "found"
    scans.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.savetxt(scans / f"{name}.xyz", rng.random((60, 3)))
    (scans / "broken.ply").write_text("ply")
    capsys.readouterr()
    code = main(["classify", str(scans), f"--checkpoint={run}", f"--output={output}"])
    said = capsys.readouterr()
    assert code == 2 and "broken.ply" in said.err and "1 of 3 files" in said.err
    assert len(said.out.splitlines()) == 2
    values = json.loads((output / "a-class.json").read_text())
    assert said.out.startswith(values["category"])
    assert sorted(path.name for path in output.iterdir()) == ["a-class.json", "b-class.json"]
