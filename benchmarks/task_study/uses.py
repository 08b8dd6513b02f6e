"""Settings of the uses of a code besides a task's own answer: few labels, which to label first,
what lies outside of all that was learned, and new shapes."""

from __future__ import annotations

from functools import partial
from typing import Any

from .generating import ROWS, compared
from .labelling import WAYS, asked_for, of_each
from .outside import ROW, SCORES, told_apart, without_some
from .setting import Measure, Setting

_TRAINING = {"steps": 400, "batch_size": 16, "save_every": 400}
_SETS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "built-in shapes": (None, {"anchors": 46, "augment": False}),
    "ModelNet10": ("modelnet10_1024", {"anchors": 20, "holdout": 0.25}),
    "Sydney": ("sydney_urban", {"anchors": 28}),
}
_ACCURACY = (
    Measure("classification", "accuracy", 3),
    Measure("classification", "mean class accuracy", 3),
)


def _config(own: dict[str, Any], **more: Any) -> dict[str, Any]:
    """All clouds are decoded beside, so that those without a label teach something."""
    return {"points": 256, "nebula_weight": 0.1, "reconstruct": 100.0, **own, **more}


def _few(name: str, count: int) -> Setting:
    folder, own = _SETS[name]
    return Setting(
        title=f"{name}, {count} of each category",
        task="classification",
        config=_config(own, labelled=0.0),
        training=_TRAINING,
        measures=_ACCURACY,
        folder=folder,
        change=partial(of_each, count=count),
    )


def _ask(name: str, count: int) -> Setting:
    folder, own = _SETS[name]
    return Setting(
        title=f"{name}, {count} for each category",
        task="classification",
        config=_config(own, labelled=0.0),
        training=_TRAINING,
        measures=_ACCURACY,
        folder=folder,
        columns=WAYS,
        change=partial(asked_for, count=count),
    )


def _outside(name: str) -> Setting:
    folder, own = _SETS[name]
    return Setting(
        title=f"{name}, a third of the categories unseen",
        task="classification",
        config=_config(own),
        training=_TRAINING,
        measures=(
            *(Measure(ROW, score, 3) for score in SCORES),
            Measure("of those seen", "accuracy", 3),
        ),
        folder=folder,
        change=without_some,
        measured=told_apart,
    )


def _generation(name: str) -> Setting:
    folder, own = _SETS[name]
    return Setting(
        title=name,
        task="classification",
        config=_config(own, labelled=0.0, points=256, augment=False),
        training=_TRAINING,
        measures=tuple(
            measure
            for row in ROWS
            for measure in (
                Measure(row, "MMD", 2, less_is_better=True),
                Measure(row, "coverage", 3),
                Measure(row, "1-NN accuracy", 3, less_is_better=True),
            )
        ),
        folder=folder,
        measured=compared,
    )


USES: dict[str, tuple[Setting, ...]] = {
    "few-labels": tuple(_few(name, count) for name in _SETS for count in (1, 5, 10)),
    "ask": tuple(_ask(name, count) for name in _SETS for count in (1, 5, 10)),
    "outside": tuple(_outside(name) for name in _SETS),
    "generation": tuple(_generation(name) for name in ("built-in shapes", "ModelNet10")),
}
