"""Run folders before format 3: the bottleneck was called nebula; that of a VAE was a nebula that
never woke, with columns for its anchors in the decoder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from test_format1 import PARTS, ROOMS, TINY
from torch import Tensor

from nvc3d import checkpoint
from nvc3d.checkpoint import CheckpointError, load_run, load_state, save_state, save_weights
from nvc3d.config import TrainConfig, to_dict
from nvc3d.tasks import TASKS
from nvc3d.tasks.vocabulary import Vocabulary

FORMER = {"bottleneck.scale": "bottleneck.strength", "bottleneck.loss_scale": "bottleneck.factor"}
GRID = {"size": (16, 16, 16), "width": 4}
CLOUDS = {"input_points": 32, "points": 64, "coarse": 16, "seeds": 32, "hidden": 8}
RUNS: dict[str, tuple[str, dict[str, Any], Vocabulary]] = {
    "classification": ("classification", {"reconstruct": 1.0}, Vocabulary(("cat", "dog"))),
    "parts": ("segmentation", {"hidden": 8}, PARTS),
    "codes of points": ("segmentation", {"point_codes": True}, PARTS),
    "rooms": ("segmentation", {"scenes": True, "encoder": "dgcnn"}, ROOMS),
    "grids": ("voxel_completion", GRID, Vocabulary()),
    "scenes": ("voxel_completion", {**GRID, "skips": False}, Vocabulary(labels=("car",))),
    "seeds": ("completion", CLOUDS, Vocabulary()),
    "pcn": ("completion", {**CLOUDS, "decoder": "pcn"}, Vocabulary()),
    "folding": ("completion", {**CLOUDS, "decoder": "folding"}, Vocabulary()),
    "upsampling": (
        "completion",
        {**CLOUDS, "decoder": "upsampling", "factors": (1, 1)},
        Vocabulary(),
    ),
}


def inputs(name: str) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    task, _, vocabulary = RUNS[name]
    if task == "voxel_completion":
        return (torch.rand(2, 2, 16, 16, 16, generator=generator).round(),)
    points = torch.rand(2, 32, 3, generator=generator)
    if task != "segmentation":
        return (points,)
    features = torch.rand(2, 32, 3, generator=generator)
    return (points, features, torch.tensor([0, 1])) if vocabulary.of_group else (points, features)


def former(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state under the names that its entries had."""
    named = {FORMER.get(name, name): value for name, value in state.items()}
    return {re.sub(r"^bottleneck\.", "nebula.", name): value for name, value in named.items()}


def old_run(folder: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """Write a run folder as nvc3d did, with weights that are all in use; gives its model."""
    task, change, vocabulary = RUNS[name]
    config = TASKS[task].config(**TINY | change)
    torch.manual_seed(0)
    model = TASKS[task].model(config, vocabulary)
    model.bottleneck.rhythm.step = 7
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    monkeypatch.setattr(model, "state_dict", lambda: former(type(model).state_dict(model)))
    save_weights(model, folder / "model.safetensors")
    monkeypatch.undo()
    values = {
        "format": 2,
        "task": task,
        "model": to_dict(config) | {"bottleneck": kind},
        "data": {},
        "vocabulary": vocabulary.to_dict(),
        "training": to_dict(TrainConfig()),
    }
    (folder / "config.json").write_text(json.dumps(values))
    return model.eval()


def tensors(answer: Any) -> list[Tensor]:
    """Those that an answer is made of, but for what the code knows of anchors."""
    if isinstance(answer, Tensor):
        return [answer]
    if hasattr(answer, "log_variance"):
        return [answer.z, answer.mean, answer.log_variance]
    return [] if answer is None else [each for part in answer for each in tensors(part)]


@pytest.mark.parametrize("kind", ["nebula", "vae"])
@pytest.mark.parametrize("name", RUNS)
def test_a_former_run_answers_as_it_did(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = old_run(tmp_path, name, kind, monkeypatch)
    run, loaded = load_run(tmp_path)
    assert run.config.bottleneck == kind
    assert loaded.bottleneck.rhythm.step == 7  # type: ignore[union-attr]
    with torch.no_grad():
        expected, found = (tensors(each(*inputs(name))) for each in (model, loaded))
    assert len(found) >= 4
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a)


def test_a_former_state_is_gone_on_with_but_for_that_of_a_vae(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = old_run(tmp_path, "classification", "nebula", monkeypatch)
    own = {"bottleneck.awake": torch.ones(())}
    saved = {"format": 2, "model": former(model.state_dict()), "others": [former(own)]}
    save_state(saved, tmp_path / "state.pt")
    config = load_run(tmp_path)[0].config
    state = load_state(tmp_path / "state.pt", config)
    model.load_state_dict(state["model"] | state["others"][0])
    assert float(model.bottleneck.awake) == 1  # type: ignore[union-attr]
    vae = type(config)(**TINY, bottleneck="vae")
    with pytest.raises(CheckpointError, match=r"state.pt cannot be resumed: a VAE that an earlier"):
        load_state(tmp_path / "state.pt", vae)
