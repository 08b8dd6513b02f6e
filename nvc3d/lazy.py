"""Names of a package that are imported on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose public names lie in its modules.

    Whoever reads a file, or asks for help, then need not wait for torch.

    Args:
        package: its `__name__`.
        homes: module, relative to the package -> the public names that lie there.
    """
    home = {name: module for module, public in homes.items() for name in public}

    def find(name: str) -> Any:
        if name in home:
            return getattr(import_module(f".{home[name]}", package), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find, lambda: sorted(home)
