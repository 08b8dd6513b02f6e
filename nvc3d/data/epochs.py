"""Randomness that neither the number of workers nor a resumed run changes."""

from __future__ import annotations

import numpy as np
import torch


class Epochs:
    """The random numbers of an item come from (seed, training, epoch, index) alone.

    Args:
        seed: of all items.
        training: items are new in each epoch; otherwise fixed, and others than those of training.

    Raises:
        ValueError: a negative seed.
    """

    def __init__(self, seed: int, training: bool) -> None:
        if seed < 0:
            raise ValueError(f"seed must be >= 0, got {seed}")
        self.seed = seed
        self.training = training
        # In shared memory: workers that outlive an epoch must learn of the next.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch to come; of no effect outside of training."""
        if epoch < 0:
            raise ValueError(f"epoch must be >= 0, got {epoch}")
        if self.training:
            self._epoch.fill_(epoch)

    def rng(self, index: int) -> np.random.Generator:
        """The generator of an item."""
        return np.random.default_rng([self.seed, int(self.training), int(self._epoch), index])
