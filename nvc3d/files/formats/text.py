"""Clouds as rows of numbers: XYZ, TXT, CSV, PTS, ASC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.columns import flat
from nvc3d.files.format import Format, Found
from nvc3d.files.parsing import names_comment, table

_NORMALS = ("nx", "ny", "nz")


def read(path: Path) -> Found:
    """Read rows separated by spaces, commas, semicolons or tabs; x, y, z are the first three.

    A line of names before the rows says otherwise: columns called x, y and z, `nx`, `ny` and `nz`,
    and `label`. Without names the next three are normals if all are of length 1. A lone number
    before the rows is their count, as PTS files have it. Lines that start with # or // are
    comments, but the last one before the rows may hold the names.
    """
    text = path.read_bytes().decode("utf-8-sig")
    if "\0" in text:
        raise ValueError("it is a binary file, not rows of numbers")
    lines = [line for line in (line.strip() for line in text.splitlines()) if line]
    start = next((i for i, line in enumerate(lines) if _is_numbers(line)), None)
    if start is None:
        raise ValueError("it holds no rows of numbers")
    titles = [line for line in lines[:start] if not _is_comment(line)]
    if len(titles) > 1:
        raise ValueError(f"{titles[1][:60]!r} is no row of numbers")
    names = _split((titles or lines[:start] or [""])[-1].lstrip("#/"))
    rows = [line for line in lines[start:] if not _is_comment(line)]
    if len(rows) > 1 and rows[0].isdecimal():
        promised = int(rows.pop(0))
        if len(rows) != promised:
            raise ValueError(f"it promises {promised} points, and {len(rows)} rows follow")
    delimiter = next((d for d in ",;" if d in rows[0]), None)
    values = table(rows, delimiter=delimiter)
    if len(names) != values.shape[1] or not _all_in("xyz", names):
        if values.shape[1] < 3:
            raise ValueError(f"expected rows of 3 numbers or more, got {values.shape[1]}")
        return Found(values[:, :3], {"normal": values[:, 3:6]} if _has_normals(values) else {})
    columns: dict[str, NDArray] = {}
    if _all_in(["label"], names):
        columns["label"] = values[:, names.index("label")]
    if _all_in(_NORMALS, names):
        columns["normal"] = values[:, [names.index(n) for n in _NORMALS]]
    return Found(values[:, [names.index(axis) for axis in "xyz"]], columns)


def write(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
    delimiter: str = " ",
) -> None:
    """Write a row for each point, under a line of names where there is more than x, y and z."""
    fields = {axis: points[:, i] for i, axis in enumerate("xyz")} | flat(columns)
    for name in fields:
        if set(name) & set("\"'#,;"):
            raise ValueError(f"a column called {name!r} has no place in a file of rows of numbers")
    if label_names:
        file.write(f"# {names_comment(label_names)}\n".encode())
    if delimiter == ",":
        file.write((",".join(fields) + "\n").encode())
    elif len(fields) > 3:
        file.write(("# " + " ".join(fields) + "\n").encode())
    rows = np.empty(len(points), [(name, values.dtype) for name, values in fields.items()])
    for name, values in fields.items():
        rows[name] = values
    np.savetxt(file, rows, [_digits(values.dtype) for values in fields.values()], delimiter)


def write_csv(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
) -> None:
    """Write a row for each point, separated by commas, under a line of names."""
    write(file, points, columns, label_names, ",")


def _digits(dtype: np.dtype) -> str:
    """A format that tells any two numbers of a type apart."""
    if dtype.kind != "f":
        return "%d"
    return "%.9g" if dtype.itemsize <= 4 else "%.17g"


def _all_in(wanted: Iterable[str], names: list[str]) -> bool:
    """Each of them, once."""
    return all(names.count(name) == 1 for name in wanted)


def _has_normals(values: NDArray[np.float64]) -> bool:
    """Whether the three columns after the coordinates are vectors of length 1."""
    if values.shape[1] < 6:
        return False
    square = (values[:, 3:6] ** 2).sum(1)
    return bool((np.abs(square - 1) < 1e-2).all())


def _is_comment(line: str) -> bool:
    return line.startswith(("#", "//"))


def _split(line: str) -> list[str]:
    words = line.replace(",", " ").replace(";", " ").split()
    return [word.strip("\"'").lower() for word in words]


def _is_numbers(line: str) -> bool:
    try:
        return bool([float(word) for word in _split(line)])
    except ValueError:
        return False


FORMATS = (
    Format((".xyz", ".txt"), "cloud", read, write),
    Format((".csv",), "cloud", read, write_csv),
    Format((".pts", ".asc"), "cloud", read),
)
