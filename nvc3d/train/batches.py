"""The batches of a training, the same ones whenever it is resumed, and those of a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from nvc3d.config import TrainConfig
from nvc3d.interruption import shielded
from nvc3d.tasks import Batch
from nvc3d.tasks.task import Items


def share_of_batch(training: TrainConfig, count: int, processes: int) -> int:
    """How many of `count` samples are each process's in a batch; all have equally many."""
    if count == 0:
        raise ValueError("there is nothing to train on: all of the data are kept out of it")
    # Whole batches only.
    if (share := min(training.batch_size, count) // processes) > 0:
        return share
    raise ValueError(
        f"{processes} processes share each batch, so batch_size and the number of training "
        f"samples must be at least {processes}, got {training.batch_size} and {count}"
    )


def training_batches(
    data: Items,
    training: TrainConfig,
    *,
    seed: int,
    step: int,
    rank: int,
    processes: int,
    device: torch.device | str,
) -> Iterator[Batch]:
    """A process's share of every batch from a step on, without end.

    Which samples are in a batch depends on the seed and the step alone.
    """
    count = len(data)
    size = share_of_batch(training, count, processes) * processes
    epoch, first = divmod(step, count // size)
    while True:
        if hasattr(data, "set_epoch"):
            data.set_epoch(epoch)
        order = np.random.default_rng([seed, epoch]).permutation(count).tolist()
        shares = [order[i * size : (i + 1) * size] for i in range(first, count // size)]
        loader: DataLoader[Any] = DataLoader(
            data,  # type: ignore[arg-type] # torch asks for its own base class
            batch_sampler=[share[rank::processes] for share in shares],
            num_workers=training.workers,
            collate_fn=getattr(data, "collate", None),
            # The loader draws from the global generator otherwise, and a run that resumes
            # inside an epoch would have drawn once more than one that never stopped.
            generator=torch.Generator(),
        )
        for batch in _shielded(loader):
            yield to_device(batch, device)
        epoch, first = epoch + 1, 0


def evaluation_batches(
    data: Items, training: TrainConfig, device: torch.device | str = "cpu"
) -> Iterator[Batch]:
    """All items of `data`, in order, in batches of the training's size."""
    loader: DataLoader[Any] = DataLoader(
        data,  # type: ignore[arg-type]
        batch_size=training.batch_size,
        num_workers=training.workers,
        collate_fn=getattr(data, "collate", None),
        generator=torch.Generator(),  # the global one is left alone
    )
    for batch in _shielded(loader):
        yield to_device(batch, device)


def _shielded(loader: DataLoader[Any]) -> Iterator[Batch]:
    """The batches of a loader, whose processes do not get the signals that end a training."""
    with shielded():
        batches = iter(loader)
    return batches


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """The batch with its tensors on `device`."""
    return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
