"""nvc3d: exact, fast point operators and latent spaces that work, for learning from 3D points."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .autoload import load_operators_with_torch

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import (
        compat,
        data,
        encoders,
        files,
        geometry,
        interop,
        metrics,
        nebula,
        ops,
        planar,
        shapes,
        tasks,
        viz,
    )
    from .loaded import Model, load
    from .nebula import Nebula
    from .planar import reconstruct_planes

__all__ = [
    "Model",
    "Nebula",
    "__version__",
    "compat",
    "data",
    "encoders",
    "files",
    "geometry",
    "interop",
    "load",
    "metrics",
    "nebula",
    "ops",
    "planar",
    "reconstruct_planes",
    "shapes",
    "tasks",
    "viz",
]


def __getattr__(name: str) -> Any:
    # Imported on first use: `nvc3d --help` and data tools then start without torch.
    if name == "Nebula":
        return import_module(".nebula", __name__).Nebula
    if name == "reconstruct_planes":
        return import_module(".planar", __name__).reconstruct_planes
    if name in ("Model", "load"):
        return getattr(import_module(".loaded", __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'nvc3d' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


load_operators_with_torch()
