"""Label files with a frame a line: its name, and its joints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read(path: Path, joints: int) -> tuple[list[str], NDArray[np.float64]]:
    """The names (N,) and what is told of the joints, (N, joints, 3). Empty lines are left out.

    Raises ValueError, with the line, on another number of values and on what is no number.
    """
    names: list[str] = []
    rows: list[NDArray[np.float64]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            name, *values = line.split() or [""]
            if not name:
                continue
            if len(values) != 3 * joints:
                raise ValueError(
                    f"line {number}: expected a name and {3 * joints} numbers, got {len(values)}"
                )
            try:
                rows.append(np.array(values, np.float64))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            names.append(name)
    if not rows:
        raise ValueError("it names no frame")
    return names, np.stack(rows).reshape(-1, joints, 3)
