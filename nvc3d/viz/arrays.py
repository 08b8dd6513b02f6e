"""What comes in, as arrays of float64 that can be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def floats(values: Any, name: str) -> Floats:
    """Values of an array, a list, or a tensor on any device; ValueError on NaN and inf."""
    array = _numpy(values, name).astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinite values")
    return array


def latent_rows(latents: Any) -> Floats:
    """Latents (B, D), of at least one row and column."""
    rows = floats(latents, "latents")
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"latents must be (B, D) with B and D at least 1, got {rows.shape}")
    return rows


def indices(values: Any, name: str, rows: int, below: int | None = None) -> Integers:
    """Whole numbers (rows,) of at least 0, and less than `below`."""
    array = _numpy(values, name)
    if array.shape != (rows,):
        raise ValueError(f"{name} must be ({rows},), one for each latent, got {array.shape}")
    if array.dtype.kind not in "iub":
        raise ValueError(f"{name} must be whole numbers, got {array.dtype}")
    least, most = int(array.min()), int(array.max())
    if least < 0 or (below is not None and most >= below):
        limit = "at least 0" if below is None else f"0 to {below - 1}"
        raise ValueError(f"{name} must be {limit}, got {least} to {most}")
    return array.astype(np.int64)


def _numpy(values: Any, name: str) -> NDArray[Any]:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        # NumPy has no bfloat16.
        values = (values.double() if values.is_floating_point() else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from error
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be an array of real numbers, got {array.dtype}")
    return array
