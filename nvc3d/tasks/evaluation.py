"""What `nvc3d eval` asks of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvc3d.tasks.task import Batch, Items, Measured, Splits

if TYPE_CHECKING:
    from nvc3d.tasks.task import Task


@dataclass(frozen=True)
class Evaluation:
    """A trained model, and what it is to be measured on."""

    task: Task
    model: Any
    config: Any
    """the config that it was trained with"""
    data: Path | None
    """a folder, all of which is measured; None, or the folder that the model was trained on: what
    was kept out of training"""
    batches: Callable[[Items], Iterable[Batch]]

    @property
    def wanted(self) -> Any:
        """The config of the data to measure on."""
        own = self.config.data
        if self.data is None or (own is not None and self.data.resolve() == Path(own).resolve()):
            return self.config
        return replace(self.config, data=str(self.data), holdout=1.0)

    def splits(self) -> Splits:
        """The data to measure on, as `val`."""
        return self.task.splits(self.wanted)

    def measured(self, **options: Any) -> Measured:
        """The task's own metrics of it, with options of theirs. Raises ValueError where there is
        nothing to measure."""
        splits = self.splits()
        if len(splits.val) == 0:
            raise ValueError("there is nothing to measure: no shapes were kept out of training")
        groups = splits.vocabulary.groups
        return self.task.metrics(self.model, self.batches(splits.val), groups, **options)
