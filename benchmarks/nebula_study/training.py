"""Training: the same steps, batches and optimiser for every row; and what a step costs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from .datasets import Dataset
from .models import NVC, Autoencoder
from .rows import ROWS

RATE = 1e-3


def train(row: str, data: Dataset, seed: int) -> Autoencoder:
    """A model of that row, trained; its seed decides all that is random.

    Raises FloatingPointError or ValueError where it diverges.
    """
    torch.manual_seed(seed)
    model = ROWS[row].model(data, **ROWS[row].settings)
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    batches = shuffled(data, seed)
    for step in range(data.steps):
        model.before(step, data.steps, data.train)
        advance(model, optimiser, data, next(batches))
    model.eval()
    return model


def shuffled(data: Dataset, seed: int) -> Iterator[Tensor]:
    """Batches without end, the same for every row of a seed."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(data.split, generator=generator)
        yield from (data.train[rows] for rows in order.split(data.batch) if len(rows) == data.batch)


def advance(model: Autoencoder, optimiser: torch.optim.Optimizer, data: Dataset, x: Tensor) -> None:
    output, constraint = model(x)
    loss = data.nats * data.error(output, x) + constraint
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


# The longest of a nebula's rhythms (8 steps for k-means, 40 between fits once it woke at 160).
CYCLE, ASLEEP = 40, 160


def step_time(row: str, data: Dataset, seed: int, cycles: int = 5) -> dict[str, float]:
    """Time of a training step in ms, and the median of its ratios to the VAE's.

    Both models take turns step by step in this process, on one thread, and are compared over whole
    cycles, so that what a nebula does only now and then is in it. In CPU time: what else the
    machine does is not.
    """
    models, optimisers = [], []
    for name in (row, "vae"):
        torch.manual_seed(seed)
        settings = dict(ROWS[name].settings)
        if ROWS[name].model is NVC:
            settings.setdefault("warmup_steps", ASLEEP)
        models.append(ROWS[name].model(data, **settings))
        optimisers.append(torch.optim.Adam(models[-1].parameters(), RATE))
    batches = shuffled(data, seed)
    lead = ASLEEP + CYCLE
    spent = np.zeros((cycles, 2))
    for step in range(lead + cycles * CYCLE):
        x = next(batches)
        for turn in ((0, 1), (1, 0))[step % 2]:
            # As if two thirds of the training had come before the first timed step.
            models[turn].before(step, lead * 3 // 2, data.train)
            start = time.process_time()
            advance(models[turn], optimisers[turn], data, x)
            if step >= lead:
                spent[(step - lead) // CYCLE, turn] += time.process_time() - start
    own, other = spent.T
    return {
        "step": float(np.median(own)) / CYCLE * 1e3,
        "ratio": float(np.median(own / other)),
    }
