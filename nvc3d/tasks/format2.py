"""Weights of run folders before format 3: the bottleneck was called nebula, and that of a VAE was a
nebula which never woke, whose decoder had columns for anchors that were always zero."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from nvc3d.nebula.state import upgrade
from nvc3d.tasks.halves import ModelHalf
from nvc3d.tasks.vocabulary import Vocabulary

# Layers that read the code's embedding, of all tasks; after it come only the categories of parts.
_READ_IT = re.compile(
    r"(hidden\.0|decoder\.0|head\.0\.0\.linear|lift\.0|decoder\.(.+\.)?(coarse\.0|from_code))\.weight"
)
_STEPS = "bottleneck.rhythm.counts"


def weights(state: dict[str, Tensor], config: Any, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """The weights of a model as it is made today, out of those of a run with that config."""
    if not isinstance(config, ModelHalf):  # a task of somebody else's
        return state
    state = renamed(state)
    if config.bottleneck != "vae":
        return state
    upgrade(state, "bottleneck.")
    anchors = state.get("bottleneck.anchors")
    count = 0 if anchors is None else len(anchors)
    for name in [*state]:
        if name.startswith(("bottleneck.memory.", "bottleneck.rhythm.")) and name != _STEPS:
            del state[name]
        elif _READ_IT.fullmatch(name):
            end = state[name].shape[1] - len(vocabulary.of_group)
            kept = [i for i in range(state[name].shape[1]) if not end - count <= i < end]
            state[name] = state[name][:, kept].contiguous()
    state.pop("bottleneck.anchors", None)
    state.pop("bottleneck.awake", None)
    if _STEPS in state:
        state[_STEPS] = state[_STEPS][:1].contiguous()
    return state


def renamed(state: dict[str, Any]) -> dict[str, Any]:
    """A state with the bottleneck under the name of today."""
    return {re.sub("^nebula\\.", "bottleneck.", name): value for name, value in state.items()}


def training(saved: dict[str, Any], config: Any) -> dict[str, Any]:
    """What training goes on from, out of that of a run with that config.

    Raises ValueError on a VAE: its optimiser knows of the anchors and of the idle columns.
    """
    if not isinstance(config, ModelHalf):
        return saved
    if config.bottleneck == "vae":
        raise ValueError(
            "a VAE that an earlier nvc3d began to train can be used and measured, not trained on: "
            "its decoder had columns for anchors; begin anew"
        )
    others = [renamed(own) for own in saved.get("others", [])]
    return saved | {"model": renamed(saved["model"]), "others": others}
