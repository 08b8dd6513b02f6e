"""BIN: a frame of a laser scanner, as KITTI and nuScenes write it: rows of float32, no header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.format import Format, Found

FAR = 10_000.0
"""Metres that no laser reaches."""
BRIGHT = 255.0
RINGS = 256


def read(path: Path) -> Found:
    """The points of a frame in metres, z up, with `intensity`, and `ring` where there are rings."""
    rows = frame(path)
    columns = {"intensity": rows[:, 3]}
    if rows.shape[1] == 5:
        columns["ring"] = rows[:, 4]
    return Found(rows[:, :3], columns)


def frame(path: Path) -> NDArray[np.float32]:
    """The rows x y z intensity (N, 4), or with the ring (N, 5) as nuScenes has it.

    A BIN file does not tell what it holds: it is taken for a frame where its values can be those of
    one. Raises ValueError on any other.
    """
    size = path.stat().st_size
    if size % 4:
        raise ValueError(f"its {size} bytes are no rows of float32, as frames of KITTI are")
    values = np.fromfile(path, "<f4")
    fitting = [n for n in (5, 4) if len(values) and len(values) % n == 0 and _sane(values, n)]
    if not fitting:
        raise ValueError(
            f"its {size} bytes are no frame of a laser scanner: rows of float32 x y z intensity, "
            f"or with a ring number, within {FAR:g} m"
        )
    return values.reshape(-1, fitting[0])


def _sane(values: NDArray[np.float32], width: int) -> bool:
    rows = values.reshape(-1, width)
    with np.errstate(invalid="ignore"):
        sane = (np.abs(rows[:, :3]) < FAR).all(1) & (rows[:, 3] >= 0) & (rows[:, 3] <= BRIGHT)
        if width == 5:
            ring = rows[:, 4]
            sane &= (ring >= 0) & (ring < RINGS) & (ring == np.floor(ring))
    # Bytes of something else are numbers next to nothing, if they are numbers at all.
    tiny = (rows[:, :3] != 0) & (np.abs(rows[:, :3]) < 1e-30)
    return bool(sane.all()) and not tiny.any()


FORMATS = (Format((".bin",), "cloud: a laser scanner's frame", read),)
