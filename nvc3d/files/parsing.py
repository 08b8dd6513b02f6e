"""What several text and polygon formats share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def table(
    lines: Sequence[str], columns: int | None = None, delimiter: str | None = None
) -> NDArray[np.float64]:
    """Parse rows of numbers, all of the same length.

    Returns:
        (rows, columns).

    Raises:
        ValueError: a word that is no number, or a row that is shorter or longer than the others.
    """
    if not lines:
        return np.empty((0, columns or 0))
    values = np.loadtxt(lines, np.float64, comments=None, delimiter=delimiter, ndmin=2)
    if columns is not None and values.shape[1] != columns:
        raise ValueError(f"expected {columns} numbers in a row, got {values.shape[1]}")
    return values


def triangulate(
    corners: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut polygons into triangles that fan out from each polygon's first corner.

    Args:
        corners: (C,) vertex indices of all polygons, one after the other.
        lengths: (P,) number of corners of each. Those with fewer than 3 enclose nothing and
            give no triangle.

    Returns:
        Triangles (T, 3) and the polygon that each comes from (T,).
    """
    triangles = np.maximum(lengths - 2, 0)  # (P,)
    polygon = np.repeat(np.arange(len(lengths)), triangles)  # (T,)
    first = (np.cumsum(lengths) - lengths)[polygon]  # (T,)
    step = np.arange(len(polygon)) - (np.cumsum(triangles) - triangles)[polygon]  # (T,)
    index = np.stack([first, first + step + 1, first + step + 2], 1)  # (T, 3)
    return corners[index], polygon


def whole(values: NDArray, what: str) -> NDArray[np.int64]:
    """Turn numbers that a file keeps in any type into integers, if that is what they are."""
    if values.dtype.kind == "f":
        # 2 ** 53: beyond it a float no longer tells neighbouring integers apart.
        wrong = ~((values == np.floor(values)) & (np.abs(values) <= 2**53))
        if wrong.any():
            raise ValueError(f"{what} must be whole numbers, got {values[wrong][0]}")
    elif values.size and int(values.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{what} must fit 64 bits, got {values.max()}")
    return values.astype(np.int64)


_LABEL_NAMES = "label_names"


def names_comment(label_names: Sequence[str]) -> str:
    """What is written in a comment of a file to name its labels; see `names_in`."""
    return f"{_LABEL_NAMES} {json.dumps(list(label_names))}"


def names_in(comments: Iterable[str]) -> tuple[str, ...]:
    """The names of the labels, if one of the comments of a file, without their marks, has them."""
    for comment in comments:
        word, _, rest = comment.strip().partition(" ")
        if word == _LABEL_NAMES:
            try:
                names = json.loads(rest)
            except (ValueError, RecursionError):
                continue
            if isinstance(names, list) and all(isinstance(name, str) for name in names):
                return tuple(names)
    return ()
