"""Tasks: each is a folder that says what its data, model, loss, metrics and pictures are.

`TASKS` finds them by their folders and imports one when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from pkgutil import iter_modules

from nvc3d.tasks.task import Batch, Items, Measure, Measured, Picture, Splits, Table, Task


class _Tasks(MutableMapping[str, Task]):
    """Name -> task; the folders beside this file, and whatever else is put in."""

    def __init__(self) -> None:
        self._names = [module.name for module in iter_modules(__path__) if module.ispkg]
        self._loaded: dict[str, Task] = {}

    def __getitem__(self, name: str) -> Task:
        if name not in self._loaded:
            if name not in self._names:
                raise KeyError(name)
            self._loaded[name] = import_module(f"{__name__}.{name}").TASK
        return self._loaded[name]

    def __setitem__(self, name: str, task: Task) -> None:
        self._loaded[name] = task

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names or name in self._loaded

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._names, *self._loaded]))

    def __len__(self) -> int:
        return len({*self._names, *self._loaded})


TASKS: MutableMapping[str, Task] = _Tasks()

__all__ = [
    "TASKS",
    "Batch",
    "Items",
    "Measure",
    "Measured",
    "Picture",
    "Splits",
    "Table",
    "Task",
]
