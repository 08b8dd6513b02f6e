"""How fast a model learns: the rate over the run, and which of its weights decay."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from nvc3d.config import TrainConfig


def learning_rate(progress: float, training: TrainConfig) -> float:
    """The learning rate at a progress from 0 to 1 of the run: a linear rise, then half a cosine."""
    if progress < training.warmup:
        # Not from zero itself: the first step would be lost.
        return (
            training.learning_rate
            * (progress + 1 / training.steps)
            / (training.warmup + 1 / training.steps)
        )
    fall = (progress - training.warmup) / (1 - training.warmup)
    return training.learning_rate * (1 + math.cos(math.pi * fall)) / 2


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: only weights of linear and convolution layers decay.

    Decay pulls to zero, which is no place that biases, scales of norms or anchors tend to.
    """
    decaying = {
        module.weight
        for module in model.modules()
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd))
    }
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p in decaying], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p not in decaying], "weight_decay": 0.0},
    ]
