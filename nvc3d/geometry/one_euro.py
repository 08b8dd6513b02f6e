"""The 1 € filter: values without jitter where they rest, without lag where they move."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


class OneEuro:
    """A low-pass filter whose cutoff rises with the speed, after Casiez, Roussel, Vogel, "1 €
    Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems", CHI 2012.

    The speed is that of the rows (..., D) of the values, the length of their change in a second, so
    that a point is filtered alike in all its coordinates.

    Args:
        cutoff: in Hz, at rest; lower: less jitter.
        beta: how much it rises with the speed, in Hz for a unit a second; higher: less lag.
        speed_cutoff: in Hz, of the speed's own filter.

    Raises ValueError on cutoffs that are not positive and a negative beta.
    """

    def __init__(self, cutoff: float, beta: float, speed_cutoff: float = 1.0) -> None:
        if not (cutoff > 0 and speed_cutoff > 0 and beta >= 0):
            raise ValueError(
                "cutoff and speed_cutoff must be positive and beta at least 0, got "
                f"{cutoff}, {speed_cutoff} and {beta}"
            )
        self.cutoff, self.beta, self.speed_cutoff = cutoff, beta, speed_cutoff
        self._last: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def __call__(self, values: ArrayLike, seconds: float) -> NDArray[np.float64]:
        """The next values (..., D), filtered; `seconds` after those before.

        Values that are NaN stay so, and those after them are taken as they come. Raises ValueError
        on a time that is not positive and on another shape than before.
        """
        now = np.asarray(values, np.float64)
        if not seconds > 0:
            raise ValueError(f"seconds must be positive, got {seconds}")
        if self._last is None:
            self._last = now, np.zeros_like(now)
            return now
        before, change = self._last
        if now.shape != before.shape:
            raise ValueError(f"values must be {before.shape} as before, got {now.shape}")
        rate = np.nan_to_num((now - before) / seconds)
        change = change + _share(np.float64(self.speed_cutoff), seconds) * (rate - change)
        speed = np.linalg.norm(change, axis=-1, keepdims=True)
        filtered = before + _share(self.cutoff + self.beta * speed, seconds) * (now - before)
        filtered = np.where(np.isnan(filtered), now, filtered)
        self._last = filtered, change
        return filtered


def _share(cutoff: NDArray[np.float64] | np.float64, seconds: float) -> NDArray[np.float64]:
    """Which share of a step is taken at once, by a filter with such a cutoff."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff * seconds)))
