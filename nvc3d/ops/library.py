"""Loads the compiled operators and puts the plain definitions under whatever is not compiled."""

from __future__ import annotations

import ctypes
import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from . import reference

# Those of PyTorch alone: operators, so that torch's compiler and transforms see them as a whole.
PLAIN: tuple[Callable[..., Any], ...] = (reference.gather_index,)
# Those with kernels: the names in csrc/library.cpp, in `reference` and in torch.ops.nvc3d are one.
OPERATORS: tuple[Callable[..., Any], ...] = tuple(
    function
    for name, function in inspect.getmembers(reference, inspect.isfunction)
    if function.__module__ == reference.__name__ and name[0] != "_" and function not in PLAIN
)


def _load() -> tuple[Path | None, str]:
    """Load the compiled library: its path, or None and the reason."""
    found = sorted(Path(__file__).parents[1].glob("_C*.so"))
    if not found:
        return None, (
            "the compiled library is not there: reinstall nvc3d where torch >= 2.10 and "
            "a C++20 compiler are installed"
        )
    try:
        torch.ops.load_library(str(found[0]))
    except OSError as error:
        return None, f"{found[0].name} does not load on torch {torch.__version__}: {error}"
    missing = [f.__name__ for f in OPERATORS if not hasattr(torch.ops.nvc3d, f.__name__)]
    if missing:
        raise ImportError(
            f"{found[0]} was built from other sources than these (it lacks {', '.join(missing)}): "
            "install nvc3d again"
        )
    return found[0], ""


def describe() -> dict[str, Any]:
    """Which kernels are active, as a dict.

    Keys: compiled (bool), path (str), isa (the CPU instruction set in use), available_isas
    (those this machine runs), cuda (whether the CUDA kernels are active), cuda_obstacle (why they
    are not, else empty), cuda_runtime and cuda_driver (versions of CUDA, such as "12.4": what the
    kernels are built with and what the driver knows; empty where there is none),
    cuda_architectures (those the kernels are built for, such as [75, 90]: PTX for the last) and
    reason (why nothing is compiled, else empty).
    """
    if _path is None:
        return {
            "compiled": False,
            "path": "",
            "isa": "reference",
            "available_isas": [],
            "cuda": False,
            "cuda_obstacle": _reason,
            "cuda_runtime": "",
            "cuda_driver": "",
            "cuda_architectures": [],
            "reason": _reason,
        }
    library = ctypes.CDLL(str(_path))
    for function in (library.nvc3d_isa, library.nvc3d_available_isas):
        function.restype = ctypes.c_char_p
    return {
        "compiled": True,
        "path": str(_path),
        "isa": library.nvc3d_isa().decode(),
        "available_isas": library.nvc3d_available_isas().decode().split(),
        "cuda": not _cuda["obstacle"],
        "cuda_obstacle": _cuda["obstacle"],
        "cuda_runtime": _cuda["runtime"],
        "cuda_driver": _cuda["driver"],
        "cuda_architectures": [int(name[3:]) for name in _cuda["architectures"].split("/") if name],
        "reason": "",
    }


def _look_for_cuda() -> dict[str, str]:
    """What csrc/cuda/usable.cpp found: versions, architectures, and why no kernel can run."""
    found = dict.fromkeys(("runtime", "driver", "architectures", "obstacle"), "")
    library = ctypes.CDLL(str(_path)) if _path is not None else None
    if library is None or not hasattr(library, "nvc3d_cuda_obstacle"):
        return found | {"obstacle": _reason or "the compiled library was built from older sources"}
    for name in ("architectures", "obstacle"):
        function = getattr(library, f"nvc3d_cuda_{name}")
        function.restype = ctypes.c_char_p
        found[name] = function().decode()
    for name in ("runtime", "driver"):
        # CUDA's own way to write a version: 12040 is 12.4.
        if number := getattr(library, f"nvc3d_cuda_{name}")():
            found[name] = f"{number // 1000}.{number % 1000 // 10}"
    return found


def _slowly(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain definition, for CUDA tensors: the first call of any says that it is slow, and why."""

    def kernel(*arguments: Any) -> Any:
        global _warned
        if not _warned:
            _warned = True
            warnings.warn(
                f"nvc3d runs on slow PyTorch code for CUDA tensors: {_cuda['obstacle']}; "
                "`nvc3d doctor` says more",
                stacklevel=2,
            )
        return function(*arguments)

    return kernel


_path, _reason = _load()
_cuda = _look_for_cuda()
_warned = _path is None  # then it is said below, for all devices
# The library object owns the registrations: they end with it.
registrations = torch.library.Library("nvc3d", "FRAGMENT")
for _function in (*OPERATORS, *PLAIN):
    if _path is None or _function in PLAIN:
        _schema = torch.library.infer_schema(_function, mutates_args=())
        registrations.define(_function.__name__ + _schema)
    # Backends with kernels of their own take precedence over this one.
    registrations.impl(_function.__name__, _function, "CompositeExplicitAutograd")
    if _cuda["obstacle"] and _function in OPERATORS and _function is not reference.optimal_matching:
        registrations.impl(_function.__name__, _slowly(_function), "CUDA")
if _path is None:
    warnings.warn(
        f"nvc3d runs on slow PyTorch code instead of its compiled operators: {_reason}",
        stacklevel=2,
    )
