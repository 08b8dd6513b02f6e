"""What a task is: five words, and the config they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

Batch = dict[str, Any]
"""What a data loader makes of the items of a split: tensors stacked, strings in a list."""

Table = dict[str, dict[str, float]]
"""Row name -> column name -> number."""


@dataclass(frozen=True)
class Splits:
    """The data of one run: what is learned from, what is measured on, and the names of the labels.

    `train` may offer `set_epoch(epoch)`; who loops over it calls that before every epoch.
    """

    train: Dataset[dict[str, Any]]
    val: Dataset[dict[str, Any]]
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A task as the trainer and the command line see it; they know nothing else of it.

    `config` is a dataclass of the task's own hyper-parameters, those of its data and of its model,
    of types that JSON holds. Every such config has, with a default, `data` (`str | None`: a
    folder, or None for the built-in shapes), `holdout` (`float`: the fraction of a folder's shapes
    that is kept out of training; at 1.0 all of it is `val`) and `seed`.
    """

    name: str
    config: type[Any]
    data: Callable[[Any], Splits]
    """(config) -> the data."""
    model: Callable[[Any, Splits | None], nn.Module]
    """(config, splits) -> the model. Without splits, what it remembers of its training data is
    zero, for `load_state_dict` to fill."""
    loss: Callable[[Any, Batch], dict[str, Tensor]]
    """(model, batch) -> scalar terms by name; "total" is the one to minimise."""
    metrics: Callable[[Any, Iterable[Batch], Sequence[str]], dict[str, Table]]
    """(model, batches, categories) -> a table of all, under "all", and one for each category."""
    pictures: Callable[[Any, Iterable[Batch], Sequence[str], Path], list[Path]]
    """(model, batches, categories, folder) -> the files written into the folder."""
