"""Run folders of nvc3d 0.1, in which names lay as bytes among the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nvc3d.checkpoint import CheckpointError, load_run, save_weights
from nvc3d.config import TrainConfig, to_dict
from nvc3d.tasks import TASKS
from nvc3d.tasks.vocabulary import Vocabulary

TINY = {"dim": 16, "latent_dim": 4, "anchors": 3}
PARTS = Vocabulary(("cup", "lid"), ("cup 0", "cup 1", "lid 0"), {"cup": (0, 1), "lid": (2,)}, 3)
ROOMS = Vocabulary(labels=("floor", "wall"), channels=3)
RUNS: dict[str, tuple[str, dict[str, Any], Vocabulary, str | None]] = {
    "classification": ("classification", {}, Vocabulary(("cat", "dög")), "cat\ndög"),
    "completion": ("completion", {}, Vocabulary(), None),
    "parts": (
        "segmentation",
        {},
        PARTS,
        json.dumps([PARTS.labels, {"cup": [0, 1], "lid": [2]}, 3]),
    ),
    "rooms": ("segmentation", {"scenes": True}, ROOMS, json.dumps([ROOMS.labels, {}, 3])),
    "grids": ("voxel_completion", {"size": (16, 16, 16)}, Vocabulary(), ""),
    "scenes": ("voxel_completion", {"size": (16, 16, 16)}, Vocabulary(labels=("car",)), "car"),
}


def old_run(folder: Path, name: str) -> dict[str, Tensor]:
    """Write a run folder as nvc3d 0.1 did; gives the weights of its model."""
    task, change, vocabulary, text = RUNS[name]
    config = TASKS[task].config(**TINY, **change)
    model = TASKS[task].model(config, vocabulary)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    if text is not None:
        state = torch.tensor(list(text.encode()), dtype=torch.uint8)
        model.register_buffer("_extra_state", state)
    save_weights(model, folder / "model.safetensors")
    values = {
        "format": 1,
        "task": task,
        "config": to_dict(config),
        "training": to_dict(TrainConfig()),
        "versions": {"nvc3d": "0.1.0"},
    }
    (folder / "config.json").write_text(json.dumps(values))
    return weights


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_format_1_gives_its_model_and_its_names(name: str, tmp_path: Path) -> None:
    weights = old_run(tmp_path, name)
    run, model = load_run(tmp_path)
    assert run.vocabulary is not None
    assert run.vocabulary.labels == RUNS[name][2].labels
    assert run.vocabulary.of_group == RUNS[name][2].of_group
    assert run.vocabulary.channels == RUNS[name][2].channels
    if name != "rooms":  # the areas of scenes were not saved
        assert run.vocabulary.groups == RUNS[name][2].groups
    loaded = model.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[key], value) for key, value in weights.items())


def test_damaged_names_are_told(tmp_path: Path) -> None:
    old_run(tmp_path, "parts")
    task, change, vocabulary, _ = RUNS["parts"]
    model = TASKS[task].model(TASKS[task].config(**TINY, **change), vocabulary)
    model.register_buffer("_extra_state", torch.tensor([91, 49], dtype=torch.uint8))
    save_weights(model, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="damaged"):
        load_run(tmp_path)
