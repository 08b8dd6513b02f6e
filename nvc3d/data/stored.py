"""Data sets whose items lie in files and are read when they are asked for."""

from __future__ import annotations

import operator
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Dataset

from nvc3d.data.epochs import Epochs
from nvc3d.data.naming import named
from nvc3d.data.stand_ins import StandIns
from nvc3d.files import reading

T = TypeVar("T")


class Stored(ABC, Dataset[dict[str, Any]], Generic[T]):
    """The base of such data sets; T is what an item is before points are drawn from it.

    An item that cannot be read is replaced by the next good one, always the same; a warning names
    both, and `broken` lists what was met so far. All randomness of an item comes from (seed,
    epoch, index) alone.

    Args:
        seed: of what is drawn.
        training: draws are new in each epoch (see `set_epoch`); otherwise fixed.

    Raises:
        ValueError: a negative seed.
    """

    categories: tuple[str, ...]

    def __init__(self, seed: int, training: bool) -> None:
        self.training = training
        self._epochs = Epochs(seed, training)
        self._stand_ins = StandIns()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def name(self, index: int) -> str:
        """What an item is called, without reading it."""

    @abstractmethod
    def label(self, index: int) -> int:
        """The index of an item's category in `categories`, without reading it."""

    @abstractmethod
    def load(self, index: int, rng: np.random.Generator) -> T:
        """What is stored of an item."""

    @abstractmethod
    def draw(self, loaded: T, rng: np.random.Generator) -> dict[str, Any]:
        """The tensors of an item, from what is stored of it."""

    @property
    def broken(self) -> dict[str, str]:
        """The items that could not be read so far, by name, with what is wrong."""
        return self._stand_ins.broken

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch to come; of no effect outside of training."""
        self._epochs.set_epoch(epoch)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """What `draw` gives, and

        - label: () int64, the index of the category,
        - name: str.
        """
        start = range(len(self))[operator.index(index)]
        rng = self._epochs.rng(start)
        at, loaded = self._stand_ins.load(start, len(self), lambda i: self.load(i, rng), self.name)
        label = torch.tensor(self.label(at), dtype=torch.int64)
        return self.draw(loaded, rng) | {"label": label, "name": self.name(at)}


def require_counts(**counts: int) -> None:
    """Raises ValueError on a count below 1."""
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be >= 1, got {value}")


def require_split(split: str, splits: tuple[str, ...]) -> None:
    """Raises ValueError on a split that the data set does not have."""
    if split not in splits:
        raise ValueError(f"split must be one of {', '.join(splits)}, got {split!r}")


def as_cloud(path: Path, values: ArrayLike) -> NDArray[np.float32]:
    """The points (N, 3) float32 that a file holds.

    Raises ValueError, naming the file, on another shape, NaN, inf, and no points at all.
    """
    points = np.asarray(values)
    if (
        points.ndim != 2
        or points.shape[1] != 3
        or len(points) == 0
        or points.dtype.kind not in "fiu"
    ):
        raise ValueError(
            f"{path}: expected numbers (N, 3) with N > 0, got {points.dtype} {points.shape}"
        )
    points = np.ascontiguousarray(points, np.float32)
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(1).sum())
        raise ValueError(f"{path}: {bad} of {len(points)} points are not finite")
    return points


def read_from(path: Path, read: Callable[[Path], T]) -> T:
    """What `read` makes of a file, its errors made to name the file."""
    with reading(path):
        return read(path)


def present(
    what: Path, names: Iterable[T], is_there: Callable[[T], bool], things: str = "shapes"
) -> list[T]:
    """Those of the names in a split file whose files are there; `things`, for messages.

    Warns with the number and the names of the others; raises ValueError if none is there.
    """
    there: list[T] = []
    missing: list[T] = []
    for name in names:
        (there if is_there(name) else missing).append(name)
    if missing:
        total = len(there) + len(missing)
        message = f"{what} names {len(missing)} of {total} {things} that are not there: "
        message += named(missing)
        if not there:
            raise ValueError(message)
        warnings.warn(message, stacklevel=3)
    if not there:
        raise ValueError(f"{what} names no {things}")
    return there


def chosen(wanted: Iterable[str] | None, known: tuple[str, ...], what: Path) -> tuple[str, ...]:
    """The categories that are wanted, in the data set's order; all of them for None.

    Raises ValueError on one that the data set does not have.
    """
    if wanted is None:
        return known
    asked = set(wanted)
    if unknown := sorted(asked - set(known)):
        raise ValueError(f"{what} has no category {', '.join(unknown)}; it has {', '.join(known)}")
    return tuple(name for name in known if name in asked)
