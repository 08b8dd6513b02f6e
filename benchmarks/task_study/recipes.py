"""How classification is trained: its default beside one change at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nvc3d.checkpoint import Run

_CONFIG: dict[str, dict[str, Any]] = {
    "not augmented": {"augment": False},
    "turned anyhow": {"turn": "any"},
    "axes as given": {"axes": "given"},
}
_TRAINING: dict[str, dict[str, Any]] = {
    "mean of weights": {"ema": 0.99},
    "twice the rate": {"learning_rate": 2e-3},
}
HALF = "batches of 32, half the steps"
COLUMNS = (*_CONFIG, *_TRAINING, HALF, "default")


def changed(run: Run, column: str, folder: Path) -> Run:
    """The run with what a column changes."""
    training = run.training
    if column == HALF:
        steps = max(1, training.steps // 2)
        training = replace(training, batch_size=32, steps=steps, save_every=steps)
    return replace(
        run,
        config=replace(run.config, **_CONFIG.get(column, {})),
        training=replace(training, **_TRAINING.get(column, {})),
    )
