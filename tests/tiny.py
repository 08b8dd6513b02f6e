"""What many tests need, as small as it can be: models of every task, their run folders, clouds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.checkpoint import Run, prepare, save_config, save_weights
from nvc3d.cli import main
from nvc3d.config import TrainConfig
from nvc3d.files.ply_elements import read_elements
from nvc3d.tasks import TASKS
from nvc3d.tasks.vocabulary import Vocabulary

_CODE = dict(dim=16, latent_dim=4, anchors=3)
MODELS: dict[str, dict[str, Any]] = {
    "classification": dict(points=64, **_CODE),
    "completion": dict(
        input_points=64, points=256, coarse=32, seeds=48, hidden=16, views=1, **_CODE
    ),
    "hand_pose": dict(points=64, frames=16, hidden=16, **_CODE),
    "images": dict(hidden=16, **_CODE),
    "planes": dict(points=64, frames=16, hidden=16, embedding=4, **_CODE),
    "segmentation": dict(points=64, hidden=16, **_CODE),
    "topics": dict(layers=1, heads=2, hidden=16, pieces=100, **_CODE),
    "translation": dict(layers=1, heads=2, hidden=16, pieces=100, **_CODE),
    "voxel_completion": dict(size=(16, 16, 16), width=4, **_CODE),
}
"""The smallest model of each task that is still one."""


def config(task: str, **change: Any) -> Any:
    """The config of the smallest model of a task, changed."""
    return TASKS[task].config(**MODELS[task] | change)


def untrained(folder: Path, task: str, words: Vocabulary | None = None, **change: Any) -> Path:
    """Write the run folder of a model as it is before its first step, which is all that commands
    and files want of one; without words, those of the built-in data."""
    own = config(task, **change)
    words = TASKS[task].data(own).vocabulary if words is None else words
    torch.manual_seed(0)
    model = TASKS[task].model(own, words)
    prepare(folder, model)
    save_config(folder, Run(TASKS[task], own, TrainConfig(batch_size=4), words))
    save_weights(model, folder / "model.safetensors")
    return folder


def ball(count: int = 300, seed: int = 0) -> NDArray[np.float64]:
    """Points (count, 3) on the unit sphere."""
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def columns(path: Path) -> dict[str, Any]:
    """The columns of the points of a PLY file, under the names that they have there."""
    with path.open("rb") as file:
        return read_elements(file)[0]["vertex"]


def call(command: str, *more: object) -> int:
    """The exit code of nvc3d with the words of a command, and more that are one word each."""
    return main([*command.split(), *map(str, more)])
