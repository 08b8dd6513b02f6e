"""How a plain network learns: Adam, a rate that falls along a cosine, clouds turned and scaled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

Batch = dict[str, Any]


def train(
    model: nn.Module,
    loss: Callable[[nn.Module, Batch], Tensor],
    batches: Iterator[Batch],
    steps: int,
    rate: float = 1e-3,
) -> None:
    """Take so many steps down the loss; the model is in evaluation mode afterwards."""
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad()
        loss(model, next(batches)).backward()
        optimizer.step()
    model.eval()


def batches(items: Any, size: int, seed: int) -> Iterator[Batch]:
    """Whole batches without end, the items of each those that nvc3d's trainer draws."""
    size = min(size, len(items))
    for epoch in count():
        if hasattr(items, "set_epoch"):
            items.set_epoch(epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(items)).tolist()
        chosen = [order[i : i + size] for i in range(0, len(order) - size + 1, size)]
        yield from DataLoader(items, batch_sampler=chosen, generator=torch.Generator())


def augmented(points: Tensor) -> Tensor:
    """Clouds (B, N, 3) turned about z, scaled by 0.8 to 1.25, and jittered."""
    angle = 2 * math.pi * torch.rand(len(points))
    cosine, sine, zero, one = angle.cos(), angle.sin(), 0 * angle, 0 * angle + 1
    turn = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1)
    scale = 0.8 + 0.45 * torch.rand(len(points), 1, 1)
    jitter = (0.01 * torch.randn_like(points)).clamp(-0.05, 0.05)
    return points @ turn.view(-1, 3, 3).transpose(1, 2) * scale + jitter
