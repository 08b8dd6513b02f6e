"""Random choices of a shape's form, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Draw:
    """A stream of choices that depends on a name and a number alone."""

    def __init__(self, name: str, seed: int) -> None:
        entropy = [int.from_bytes(name.encode(), "big"), seed]
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def between(self, low: float, high: float) -> float:
        # Rounded, because some compilers fuse the multiplication and the addition.
        return round(low + (high - low) * float(self._rng.random()), 4)

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(self._rng.integers(low, high + 1))

    def choice(self, options: Sequence[T]) -> T:
        return options[self.whole(0, len(options) - 1)]

    def order(self, options: Sequence[T]) -> list[T]:
        """All options, shuffled."""
        return [options[i] for i in self._rng.permutation(len(options)).tolist()]

    def chance(self, probability: float) -> bool:
        return float(self._rng.random()) < probability
