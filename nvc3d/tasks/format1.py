"""Run folders of format 1, as nvc3d 0.1 wrote them: what a model knew of its data lay, as bytes,
among its weights."""

from __future__ import annotations

import json
from typing import Any

from torch import Tensor

from nvc3d.tasks.vocabulary import Vocabulary

KEY = "_extra_state"


def vocabulary(task: str, weights: dict[str, Tensor]) -> Vocabulary:
    """Take the names out of the weights of a run; what is left fits the model of today.

    Raises ValueError where the bytes are not what such a run had.
    """
    state = weights.pop(KEY, None)
    text = "" if state is None else bytes(state.tolist()).decode()
    if task == "classification":
        return Vocabulary(groups=_lines(text))
    if task == "voxel_completion":
        return Vocabulary(labels=_lines(text))
    if task == "segmentation":
        names, parts, channels = json.loads(text)
        of_group = {name: tuple(own) for name, own in parts.items()}
        return Vocabulary(tuple(of_group), tuple(names), of_group, int(channels))
    return Vocabulary()


def halves(values: dict[str, Any]) -> dict[str, Any]:
    """A config.json of format 1, whose config was one."""
    config = values.get("config")
    return values | {"model": config, "data": {}} if isinstance(config, dict) else values


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")) if text else ()
