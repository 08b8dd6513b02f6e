"""From what a file says of its points to a Cloud: the one place that judges columns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
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


_SPREAD = {"color": ("red", "green", "blue"), "normal": ("nx", "ny", "nz")}
"""What the parts of a column are called in files whose columns are single numbers."""


def flat(columns: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Columns (N,) and (N, C) as columns (N,) alone, under the names that files have for them: red,
    green and blue for `color`, nx, ny and nz for `normal`; name_0, name_1, ... for any other.

    Spaces in names become "_". Raises ValueError where two columns get the same name.
    """
    result: dict[str, NDArray] = {}
    for name, values in columns.items():
        plain = "_".join(name.split())
        if values.ndim == 1 or values.shape[1] == 1:
            parts = [(plain, values.reshape(len(values)))]
        else:
            names = _SPREAD.get(name) or [f"{plain}_{i}" for i in range(values.shape[1])]
            parts = [(part, values[:, i]) for i, part in enumerate(names)]
        for part, one in parts:
            if part in result or part in ("x", "y", "z"):
                raise ValueError(f"two columns would be called {part} in the file")
            result[part] = one
    return result
