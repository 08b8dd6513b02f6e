"""From what a file says of its points to a Cloud: the one place that judges columns."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.format import Found
from nvc3d.files.parsing import whole
from nvc3d.geometry.mesh import Cloud, frame


def cloud(path: Path, found: Found, *, missing: str) -> Cloud:
    """The cloud that the points of a file are.

    Points with a coordinate that is NaN, as depth sensors mark a pixel that saw nothing, are left
    out, with a warning that counts them; `missing="refuse"` refuses them.

    Raises ValueError on no points, none but NaN, and points that are all the same.
    """
    points, columns = np.asarray(found.points), dict(found.columns)
    if len(points) == 0:
        raise ValueError("it holds no points")
    seen = ~np.isnan(points).any(1)  # (N,)
    if not seen.all():
        left_out = len(points) - int(seen.sum())
        if left_out == len(points):
            raise ValueError(f"all of its {len(points)} points are NaN")
        if missing == "refuse":
            raise ValueError(f"{left_out} of its {len(points)} points are NaN")
        warnings.warn(
            f"{path}: left out {left_out} of {len(points)} points that are NaN, which a sensor "
            "writes where it saw nothing",
            stacklevel=4,
        )
        points = points[seen]
        columns = {name: values[seen] for name, values in columns.items()}
    judged = {name: _judged(name, values) for name, values in columns.items()}
    result = Cloud(
        points,
        {name: values for name, values in judged.items() if values is not None},
        found.label_names,
    )
    frame(result)
    return result


def _judged(name: str, values: NDArray) -> NDArray | None:
    """A column as `Cloud` wants it; None where it is not known for all points."""
    if name in ("label", "instance"):
        return whole(values, f"{name}s")
    if name == "normal" and not np.isfinite(values).all():
        return None
    return values
