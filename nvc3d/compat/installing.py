"""Other people's imports, answered by our modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import torch.utils.cpp_extension

from .cpu import without_gpu
from .names import FIRST, LACKING, LAST


def install() -> None:
    """Put our modules under the import names of their peers, for all that is imported from now on.

    Copies of the peers in a repository's own folders are replaced too; PyTorch3D and torch_cluster
    only where they are not installed. What a repository compiles when it is imported is ours too. A
    function that is lacking raises, by its name. Where torch sees no GPU, what is asked for on
    "cuda" is made and stays on the CPU.

    Raises:
        RuntimeError: if a peer was imported before.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    early = [name for name in sys.modules if _stored(name, FIRST) is not None]
    if early:
        raise RuntimeError(f"install() must come before the import of {', '.join(early)}")
    sys.meta_path.insert(0, _Finder(FIRST))
    sys.meta_path.append(_Finder(LAST))
    torch.utils.cpp_extension.load = partial(_load, torch.utils.cpp_extension.load)
    without_gpu()


class _Finder(MetaPathFinder):
    """Finds our module for the name of a peer."""

    def __init__(self, names: Mapping[str, str | None]) -> None:
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        name = _stored(fullname, self.names)
        if name is None:
            return None
        ours = self.names[name]
        spec = ModuleSpec(fullname, _Loader(ours), origin=f"nvc3d.compat.{ours}" if ours else None)
        # What else lies in the peer's own folder, such as its tests, is found there.
        theirs = PathFinder.find_spec(fullname, path)
        spec.submodule_search_locations = list((theirs and theirs.submodule_search_locations) or [])
        return spec


class _Loader(Loader):
    """Makes a module that holds what one of ours holds."""

    def __init__(self, ours: str | None) -> None:
        self.ours = ours

    def exec_module(self, module: ModuleType) -> None:
        held: dict[str, Any] = {}
        if self.ours is not None:
            held = vars(import_module(f"nvc3d.compat.{self.ours}"))
            module.__doc__ = held["__doc__"]
        submodules = {name for name, value in held.items() if isinstance(value, ModuleType)}
        vars(module).update(
            {name: v for name, v in held.items() if name[:2] != "__" and name not in submodules}
        )
        lacking = LACKING.get(self.ours or module.__name__, ())
        module.__getattr__ = partial(_absent, module.__name__, lacking)  # type: ignore[method-assign]


def _load(compile: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
    """Ours for a module that a repository compiles when it is imported, by its name."""
    ours = _stored(name, FIRST) is not None
    return import_module(name) if ours else compile(name, *args, **kwargs)


def _stored(fullname: str, names: Mapping[str, Any]) -> str | None:
    """The entry of the table for a module's name, by the longest of its endings."""
    if fullname.startswith("nvc3d."):
        return None
    if fullname in names:
        return fullname
    parts = fullname.split(".")
    endings = ("." + ".".join(parts[i:]) for i in range(len(parts)))
    return next((ending for ending in endings if ending in names), None)


def _absent(module: str, lacking: Sequence[str], name: str) -> Any:
    """What a module that holds no `name` answers: a module below it, or a function that raises."""
    if _stored(f"{module}.{name}", {**FIRST, **LAST}):
        return import_module(f"{module}.{name}")
    if name not in lacking:
        raise AttributeError(f"nvc3d.compat has no {module}.{name}")

    def missing(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"nvc3d.compat has no {module}.{name}")

    return missing
