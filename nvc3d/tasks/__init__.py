"""Tasks: each is a folder that says what its data, model, loss, metrics and pictures are.

`TASKS` finds them by their folders, or those of adapters in `ADAPTED`, and imports one when it is
asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from pkgutil import iter_modules

from nvc3d.tasks.task import Batch, Items, Measure, Measured, Picture, Splits, Table, Task

ADAPTED = {
    "images": "nvc3d.adapters.images",
    "topics": "nvc3d.adapters.text.topics",
    "translation": "nvc3d.adapters.text.translation",
}
"""Tasks whose items are no points -> the module of `nvc3d.adapters` that holds each."""


class _Tasks(MutableMapping[str, Task]):
    """Name -> task; the folders beside this file, those of adapters, and whatever else is put
    in."""

    def __init__(self) -> None:
        beside = [module.name for module in iter_modules(__path__) if module.ispkg]
        self._homes = {name: f"{__name__}.{name}" for name in beside} | ADAPTED
        self._loaded: dict[str, Task] = {}

    def __getitem__(self, name: str) -> Task:
        if name not in self._loaded:
            self._loaded[name] = import_module(self._homes[name]).TASK
        return self._loaded[name]

    def __setitem__(self, name: str, task: Task) -> None:
        self._loaded[name] = task

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._homes or name in self._loaded

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._homes, *self._loaded]))

    def __len__(self) -> int:
        return len({*self._homes, *self._loaded})


TASKS: MutableMapping[str, Task] = _Tasks()

__all__ = [
    "ADAPTED",
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
