"""Arrays in HDF5 files, the form in which many data sets of point clouds are handed out."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.extras import require

_DEFLATED = 1032
"""Bytes that a byte of deflated data becomes at most."""
_SLACK = 2**24


def read(path: Path, name: str, rows: int | slice = slice(None)) -> NDArray[Any]:
    """Read some rows of an array, and nothing else of the file.

    Raises:
        MissingExtra: h5py is not installed.
        ValueError: the file holds no such array, or far less of it than it says.
        OSError: it is no HDF5 file, or is truncated.
    """
    h5py = require("h5py", "to read HDF5 files")
    with h5py.File(path, "r") as file:
        array = _array(file, name)
        count = 1 if isinstance(rows, int) else len(range(*rows.indices(*array.shape[:1])))
        asked = count * prod(array.shape[1:]) * array.dtype.itemsize
        # Parts that were never written take no room, so a small file may be of any shape.
        if not array.is_virtual and asked > _SLACK + _DEFLATED * array.id.get_storage_size():
            raise ValueError(
                f"array {name!r} is {array.shape} of {array.dtype}, and only "
                f"{array.id.get_storage_size()} bytes of it are stored"
            )
        return np.asarray(array[rows])


def shape(path: Path, name: str) -> tuple[int, ...]:
    """The shape of an array, without reading it; raises as `read` does."""
    h5py = require("h5py", "to read HDF5 files")
    with h5py.File(path, "r") as file:
        return tuple(_array(file, name).shape)


def _array(file: Any, name: str) -> Any:
    if name not in file or not hasattr(file[name], "shape"):
        raise ValueError(f"it holds no array {name!r}, but {', '.join(file) or 'nothing'}")
    return file[name]
