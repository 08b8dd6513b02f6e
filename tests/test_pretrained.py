"""Models that travel: saved with their card, loaded elsewhere, pushed to the hub."""

from __future__ import annotations

import json
import pickle
import shutil
import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from tiny import call, config, untrained

import nvc3d
from nvc3d.checkpoint import CheckpointError, Run, save_config
from nvc3d.config import TrainConfig
from nvc3d.tasks import TASKS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of a folder of its owner, measured."""
    secret = tmp_path_factory.mktemp("secret")
    for name in ("mug", "bowl"):
        (secret / name).mkdir()
        for i in range(4):
            np.save(secret / name / f"{i}.npy", np.random.default_rng(i).random((80, 3)))
    folder = tmp_path_factory.mktemp("runs") / "run"
    command = "train classification --steps 2 --batch-size 4 --points 64 --dim 16 --latent-dim 4"
    options = ("--anchors=3", "--holdout=0.25", "--encoder=pointnet", f"--output={folder}")
    assert call(command, f"--data={secret}", *options) == 0
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("offline")
def test_it_is_saved_and_loaded_without_a_network(run: Path, tmp_path: Path) -> None:
    model = nvc3d.load(run)
    model.save_pretrained(tmp_path / "saved")
    names = {path.name for path in (tmp_path / "saved").iterdir()}
    assert names == {"README.md", "config.json", "metrics.json", "model.safetensors"}
    for path in (tmp_path / "saved").iterdir():
        assert b"secret" not in path.read_bytes(), path
    again = nvc3d.Model.from_pretrained(tmp_path / "saved")
    cloud = np.random.default_rng(9).random((200, 3))
    assert np.array_equal(again(cloud).probabilities, model(cloud).probabilities)
    assert again.measured == model.measured
    again.save_pretrained(tmp_path / "twice")
    for name in names:
        one, two = (tmp_path / folder / name for folder in ("saved", "twice"))
        if name != "config.json":  # each has a name of its own
            assert one.read_bytes() == two.read_bytes(), name


def test_the_card_has_the_numbers_of_the_run(run: Path, tmp_path: Path) -> None:
    measured = json.loads((run / "metrics.json").read_text())
    assert measured["splits"] == {"train": 6, "val": 2}
    nvc3d.load(run).save_pretrained(tmp_path, model_card_kwargs={"license": "cc-by-4.0"})
    loaded = huggingface_hub.ModelCard.load(tmp_path / "README.md")
    assert loaded.data.license == "cc-by-4.0" and loaded.data.library_name == "nvc3d"
    for row, values in measured["overall"].items():
        (line,) = (line for line in loaded.text.splitlines() if line.startswith(f"| {row} |"))
        assert line.split("|")[2:-1] == [f" {value:.4g} " for value in values.values()]
    for told in ("6 of train, 2 of val", "seed 0", "2 steps of batches of 4", "| anchors | 3 |"):
        assert told in loaded.text


def test_a_licence_is_not_guessed(run: Path, tmp_path: Path) -> None:
    nvc3d.load(run).save_pretrained(tmp_path / "own")
    untrained(tmp_path / "run", "completion", shapes=23)
    nvc3d.load(tmp_path / "run").save_pretrained(tmp_path / "built-in")
    own, built_in = (
        huggingface_hub.ModelCard.load(tmp_path / name / "README.md")
        for name in ("own", "built-in")
    )
    assert own.data.license == "unknown" and "Nobody has said" in own.text
    assert built_in.data.license == "mit" and "It was not measured" in built_in.text


def test_it_is_pushed_and_loaded_from_the_hub(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is a folder here."""
    hub = tmp_path / "hub"

    class Url(str):
        repo_id = "me/mugs"

    def upload(self: Any, repo_id: str, folder_path: str, **_: object) -> str:
        shutil.copytree(folder_path, hub / repo_id, dirs_exist_ok=True)
        return "a commit"

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", lambda *_, **__: Url("x"))
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
    model = nvc3d.load(run)
    assert model.push_to_hub("me/mugs", token="none") == "a commit"
    both: dict[str, Any] = dict(push_to_hub=True, repo_id="me/mugs", token="none")
    assert model.save_pretrained(tmp_path / "own", **both) == "a commit"
    asked: dict[str, Any] = {}

    def snapshot(repo_id: str, **how: Any) -> str:
        asked.update(how)
        if not (hub / repo_id).is_dir():
            raise huggingface_hub.errors.LocalEntryNotFoundError("no such thing")
        return str(hub / repo_id)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    again = nvc3d.Model.from_pretrained("me/mugs", revision="v1")
    cloud = np.random.default_rng(9).random((200, 3))
    assert np.array_equal(again(cloud).probabilities, model(cloud).probabilities)
    assert asked["revision"] == "v1" and "state.pt" not in asked["allow_patterns"]
    with pytest.raises(CheckpointError, match="neither a folder nor a model that the hub gives"):
        nvc3d.Model.from_pretrained("me/none")


def test_a_model_is_sent_to_other_processes(run: Path) -> None:
    model = nvc3d.load(run)
    again = pickle.loads(pickle.dumps(model))
    cloud = np.random.default_rng(9).random((200, 3))
    assert np.array_equal(again(cloud).probabilities, model(cloud).probabilities)


def test_measures_that_are_none_are_left_out(tmp_path: Path) -> None:
    own = config("classification")
    words = TASKS["classification"].data(own).vocabulary
    untrained(tmp_path / "run", "classification", words)
    for hostile in ("[1]", "{", '{"overall": 3}', '{"overall": {"a": 1}}', "[" * 10**5):
        (tmp_path / "run" / "metrics.json").write_text(hostile)
        nvc3d.load(tmp_path / "run").save_pretrained(tmp_path / "saved")
    save_config(tmp_path / "run", Run(TASKS["classification"], own, TrainConfig(), words))
    assert torch.is_grad_enabled()
