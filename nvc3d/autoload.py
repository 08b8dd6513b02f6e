"""The operators are there for torch as soon as both nvc3d and torch are imported.

Programs saved by torch, as by `torch.export.save`, name operators, and torch looks these up when it
loads a program: for that `import nvc3d` must be enough. If it imported torch to that end,
`nvc3d --help` would have to wait for it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def load_operators_with_torch() -> None:
    """Import the operators now if torch is imported, or else right after it."""
    if "torch" in sys.modules:
        import_module("nvc3d.ops")
    else:
        sys.meta_path.insert(0, _AfterTorch())


class _AfterTorch(MetaPathFinder):
    """Finds torch as the other finders do, and imports the operators once it is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "torch":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_load(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    import_module("nvc3d.ops")

            spec.loader.exec_module = execute_and_load  # type: ignore[method-assign]
        return spec
