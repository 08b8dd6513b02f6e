"""What is told of planes, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.atomic import atomic_write
from nvc3d.geometry.planes import Planes


def write_json(path: Path, planes: Planes, up: NDArray[np.float64], unit: float | None) -> None:
    """Write the parameters of planes, all in the unit of the points: metres of it, if known."""
    told = {
        "unit": unit,
        "up": up.tolist(),
        "points": len(planes.instance),
        "on_no_plane": int((planes.instance < 0).sum()),
        "planes": [_plane(planes, number) for number in range(len(planes.points))],
    }
    with atomic_write(path) as file:
        file.write(json.dumps(told, indent=1).encode() + b"\n")


def _plane(planes: Planes, number: int) -> dict[str, Any]:
    return {
        "normal": planes.normal[number].tolist(),
        "offset": float(planes.offset[number]),
        "points": int(planes.points[number]),
        "rms": float(planes.rms[number]),
        "extent": planes.extent[number].tolist(),
    }
