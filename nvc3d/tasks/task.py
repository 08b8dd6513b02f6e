"""What a task is, and what its words mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nvc3d.config import TrainConfig
from nvc3d.tasks.vocabulary import Vocabulary

Batch = dict[str, Any]
"""What a data loader makes of the items of a split: tensors stacked, strings in a list."""

UNTOLD = "a folder of the owner"
"""What a run says of its data, where they are not built in: never which folder it was."""

Table = dict[str, dict[str, float]]
"""Row name -> column name -> number."""


@dataclass(frozen=True)
class Measure:
    """A column of a task's tables."""

    name: str
    digits: int = 3
    """after the point, as the field prints it"""
    lower_is_better: bool = False
    unit: str = ""
    """empty for shares of 1"""


@dataclass(frozen=True)
class Measured:
    """What a model is worth on a split."""

    overall: Table
    """of all items"""
    by: Mapping[str, Mapping[str, Table]] = field(default_factory=dict)
    """of some of them: "category", "area" or "class" -> its name -> table"""
    shown: Any = None
    """what the task's pictures are drawn from"""
    note: str = ""
    """what must be known of the tables to read them"""

    def to_dict(self) -> dict[str, Any]:
        """The tables as JSON values."""
        return {"overall": self.overall, "by": self.by}


@dataclass(frozen=True)
class Option:
    """An option of `nvc3d eval` that means something to the models of one task."""

    name: str
    help: str
    choices: tuple[str, ...] = ()
    """a flag where there are none"""


class Answer(Protocol):
    """What a model says of a shape, as arrays; `write` puts it into files."""

    def write(self, path: Path) -> list[Path]:
        """Write the answer; gives the files written."""


class Picture(NamedTuple):
    """A picture that a task drew."""

    path: Path
    caption: str


@contextmanager
def evaluating(model: nn.Module) -> Iterator[torch.device]:
    """The model in evaluation mode, without gradients, for a while; gives its device."""
    was_training = model.training
    # To set every module takes as long as a layer, twice for each of a stream of clouds.
    changed = any(module.training for module in model.modules())
    if changed:
        model.eval()
    try:
        with torch.no_grad():
            yield next(model.parameters()).device
    finally:
        if changed:
            model.train(was_training)


class Items(Protocol):
    """The items of a split, as a data loader takes them.

    Those of training may offer `set_epoch(epoch)`; who loops over them calls that before every
    epoch. Where items cannot be stacked, `collate(items)` makes a batch of them.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Splits:
    """The data of one run: what is learned from, what is measured on, and what is known of both."""

    train: Items
    val: Items
    vocabulary: Vocabulary


def _as_they_are(config: Any, splits: Splits) -> Splits:
    """There is nothing to look for."""
    return splits


def _nothing(model: Any, splits: Splits, seed: int) -> None:
    """There is nothing to remember."""


def _silent(model: Any, splits: Splits, config: Any, folder: Path) -> list[str]:
    """There is nothing to write or say."""
    return []


@dataclass(frozen=True)
class Program:
    """A trained network's answer as a module of tensors alone, which needs no nvc3d where it runs
    but the operators."""

    module: nn.Module
    """called with the inputs in their order; gives a tuple of the outputs"""
    inputs: dict[str, Tensor]
    """examples by name, the batch first"""
    outputs: tuple[str, ...]
    free: tuple[str, ...] = ("points",)
    """those of the inputs whose second axis, points, may be of any size too"""


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
    model: Callable[[Any, Vocabulary], Any]
    """(config, or its model half; vocabulary) -> the model, untrained."""
    loss: Callable[[Any, Batch], dict[str, Tensor]]
    """(model, batch) -> scalar terms by name; "total" is the one to minimise."""
    metrics: Callable[..., Measured]
    """(model, batches, groups of the data) -> what it is worth, and what there is to show: a split
    goes through the model once."""
    pictures: Callable[[Any, Any, Path], list[Picture]]
    """(model, `Measured.shown`, folder) -> the pictures written into the folder."""
    measures: tuple[Measure, ...] = ()
    """the columns of its tables"""
    training: TrainConfig = field(default_factory=TrainConfig)
    """how it is trained where nobody says otherwise"""
    evaluate: Callable[..., Measured] | None = None
    """(Evaluation, **options) -> what the model is worth: for a task that `nvc3d eval` can ask for
    more than its metrics."""
    options: tuple[Option, ...] = ()
    """what `evaluate` can be asked for"""
    answer: Callable[..., Any] | None = None
    """(model, config or its model half, shape, **options) -> what the model says of the shape:
    arrays in, arrays out; None where the task has nothing to say of a single shape."""
    of_shapes: bool = True
    """whether it answers of shapes; else `answer` is handed what the user has, one or a list, as it
    is, and gives one answer or a list"""
    suffixes: tuple[str, ...] | None = None
    """of the files that it answers of, by their paths; None: those of shapes"""
    program: Callable[[Any, Any], Program] | None = None
    """(model, config or its model half) -> what is exported of it; None where nothing can be"""
    look: Callable[[Any, Splits], Splits] = _as_they_are
    """(config, splits) -> the splits, their vocabulary with what only a look at the shapes of
    training can tell: for a model that begins to learn."""
    begin: Callable[[Any, Splits, int], None] = _nothing
    """(model, splits, seed): what the model is to remember of its training data, before it
    learns."""
    end: Callable[[Any, Splits, Any, Path], list[str]] = _silent
    """(model, splits, config, run folder) -> lines to print: what is written of a trained model
    beside its metrics and pictures."""

    def splits(self, config: Any) -> Splits:
        """The data of a config. Raises as `told` does, and what `data` raises."""
        self.told(config)
        return self.data(config)

    def told(self, config: Any) -> None:
        """Raise ValueError where nobody knows in which folder the data of a config lie."""
        if config.data == UNTOLD:
            raise ValueError(
                "the run was trained on a folder, and this machine does not know which: give --data"
            )

    def fresh(self, config: Any, splits: Splits) -> Any:
        """The model that a training begins with."""
        model = self.model(config, splits.vocabulary)
        self.begin(model, splits, config.seed)
        return model
