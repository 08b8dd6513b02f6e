"""Arrays in MATLAB's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.extras import require


def read(path: Path, name: str) -> NDArray[Any]:
    """Read one array of numbers, and nothing else of the file.

    Raises:
        MissingExtra: scipy is not installed.
        ValueError: the file holds no such array, or is of version 7.3, which is HDF5.
    """
    scipy = require("scipy.io", "to read MATLAB's files")
    with path.open("rb") as file:
        if b"MATLAB 7.3" in file.read(128):
            raise ValueError("it is of version 7.3: save it as version 7")
        file.seek(0)
        found = scipy.loadmat(file, variable_names=[name])
    if name not in found:
        raise ValueError(f"it holds no {name}")
    array = np.asarray(found[name])
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} holds no numbers, but {array.dtype}")
    return array
