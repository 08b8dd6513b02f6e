"""Depth images in PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nvc3d.extras import require
from nvc3d.files.shapes import PathLike, reading

# Metres in which nobody's depth camera sees: the unit was another.
_FAR = 100.0


def read_depth(path: PathLike, unit: float = 0.001) -> NDArray[np.float32]:
    """The depth (height, width) in metres of a PNG file of 16 bits, 0 where nothing was seen.

    Args:
        path: of the file.
        unit: metres of a step; millimetres by default.

    Raises:
        FileNotFoundError, OSError: there is no such file, or it may not be read.
        ValueError: it is no PNG of one channel with 16 bits, or its depths are beyond 100 m, which
            another unit explains better.
        MissingExtra: Pillow is not installed.
    """
    path = Path(path)
    if not 0 < unit < np.inf:
        raise ValueError(f"unit must be a positive number of metres, got {unit}")
    pillow = require("PIL.Image", "to read depth images")
    with reading(path), pillow.open(path) as image:
        if image.format != "PNG" or image.mode not in ("I;16", "I;16B", "I"):
            raise ValueError(
                "expected a PNG of one channel with 16 bits, got "
                f"{image.format} of mode {image.mode}"
            )
        steps = np.asarray(image).astype(np.float64)
        depth = steps * unit
        usual = float(np.median(depth[depth > 0])) if depth.any() else 0.0
        if usual > _FAR:
            raise ValueError(
                f"most of it lies {usual:.0f} m away with a unit of {unit:g} m: give the unit of "
                "the camera"
            )
    return depth.astype(np.float32)


def read_packed_depth(
    path: PathLike,
    high: Literal["red", "green"],
    low: Literal["red", "green", "blue"],
    unit: float = 0.001,
) -> NDArray[np.float32]:
    """The depth (height, width) in metres of a PNG file of 8 bits a colour, two of which are its
    high and its low byte; 0 where nothing was seen.

    Args:
        path: of the file.
        high, low: which colours.
        unit: metres of a step.

    Raises:
        FileNotFoundError, OSError: there is no such file, or it may not be read.
        ValueError: it is no PNG of three colours with 8 bits.
        MissingExtra: Pillow is not installed.
    """
    path = Path(path)
    pillow = require("PIL.Image", "to read depth images")
    with reading(path), pillow.open(path) as image:
        if image.format != "PNG" or image.mode not in ("RGB", "RGBA"):
            raise ValueError(
                f"expected a PNG of three colours, got {image.format} of mode {image.mode}"
            )
        colors = np.asarray(image).astype(np.float64)
    names = ("red", "green", "blue")
    steps = 256 * colors[..., names.index(high)] + colors[..., names.index(low)]
    return np.asarray(steps * unit, np.float32)
