"""Pickles of numbers: numpy's arrays in lists, tuples and dicts, and nothing that runs code."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_KINDS = "fiub"
_MODULES = ("numpy.core", "numpy._core")


def read(path: Path) -> Any:
    """What a pickle holds: numbers, text, containers and arrays of numbers.

    Raises ValueError where it asks for anything else by name, which a pickle of data never does,
    and where it is corrupt.
    """
    with path.open("rb") as file:
        return _Numbers(file, encoding="latin1").load()


class _Numbers(pickle.Unpickler):
    """Knows the names that arrays of numbers are pickled by, and gives each our own function."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise ValueError(f"it asks for {module}.{name}: only arrays of numbers are read")
        return _KNOWN[module, name]


def _dtype(name: str, align: bool = False, copy: bool = False) -> np.dtype[Any]:
    if not isinstance(name, str) or name[:1] not in _KINDS or not name[1:].isdigit():
        raise ValueError(f"it holds an array of {name!r}: only arrays of numbers are read")
    return np.dtype(name, align=False, copy=True)


def _kind(*arguments: object) -> None:
    """What arrays are said to be; nothing is made by it."""
    raise ValueError("it makes an array of a size of its own: only arrays of numbers are read")


def _empty(kind: object, shape: object, code: object) -> np.ndarray:
    """An array without content, which the pickle sets next."""
    return np.empty(0, np.int8)


def _scalar(kind: np.dtype[Any], data: bytes | str) -> Any:
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, kind, 1)[0]


def _array(data: bytes, kind: np.dtype[Any], shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(data, kind).reshape(shape, order="F" if order == "F" else "C")


def _bytes(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as old protocols hold them."""
    if encoding != "latin1":
        raise ValueError(f"it holds bytes as {encoding!r}, expected latin1")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _kind,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _bytes,
    **{(f"{module}.multiarray", "_reconstruct"): _empty for module in _MODULES},
    **{(f"{module}.multiarray", "scalar"): _scalar for module in _MODULES},
    **{(f"{module}.numeric", "_frombuffer"): _array for module in _MODULES},
}
