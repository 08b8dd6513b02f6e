"""PCD (Point Cloud Library): ascii, binary and binary_compressed."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.columns import flat
from nvc3d.files.format import Format, Found
from nvc3d.files.lzf import decompress
from nvc3d.files.parsing import names_comment, table

_KINDS = {"F": "f", "I": "i", "U": "u"}
_LIBRARY = {"nx": "normal_x", "ny": "normal_y", "nz": "normal_z"}


def read(path: Path) -> Found:
    """Read a cloud, with its field `label` and its normals `normal_x`, `normal_y` and `normal_z` if
    it has them.
    """
    with path.open("rb") as file:
        header = _read_header(file)
        body = file.read()
    count = _size(header)
    fields = _fields(header)
    kind = _words(header, "DATA")[0].lower()
    if kind == "ascii":
        columns = _read_ascii(body, fields, count)
    elif kind == "binary":
        columns = _read_binary(body, fields, count)
    elif kind == "binary_compressed":
        columns = _read_compressed(body, fields, count)
    else:
        raise ValueError(f"DATA must be ascii, binary or binary_compressed, got {kind}")
    if not all(axis in columns and columns[axis].ndim == 1 for axis in "xyz"):
        raise ValueError(f"FIELDS must have x, y and z, got {' '.join(columns)}")
    points = np.stack([columns[axis] for axis in "xyz"], 1)  # (N, 3)
    kept = {} if "label" not in columns else {"label": columns["label"]}
    if all(f"normal_{axis}" in columns for axis in "xyz"):
        kept["normal"] = np.stack([columns[f"normal_{axis}"] for axis in "xyz"], 1)
    return Found(points, kept)


def write(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
) -> None:
    """Write a cloud in binary, its coordinates in the precision that `points` has."""
    fields = {axis: points[:, i] for i, axis in enumerate("xyz")}
    beside = {name: values for name, values in columns.items() if name != "color"}
    if (colors := columns.get("color")) is not None:
        red, green, blue = colors.astype(np.uint32).T
        # The library keeps the three bytes of a colour in the bits of one float.
        fields["rgb"] = (red << 16 | green << 8 | blue).view(np.float32)
        if "rgb" in beside:
            raise ValueError("two columns would be called rgb in the file")
    fields |= {_LIBRARY.get(name, name): values for name, values in flat(beside).items()}
    types = {name: _type(values.dtype) for name, values in fields.items()}
    rows = np.empty(len(points), list(types.items()))
    for name, values in fields.items():
        rows[name] = values
    header = [f"# {names_comment(label_names)}"] if label_names else []
    header += [
        "VERSION .7",
        "FIELDS " + " ".join(fields),
        "SIZE " + " ".join(str(t.itemsize) for t in types.values()),
        "TYPE " + " ".join(t.kind.upper() for t in types.values()),
        "COUNT " + " ".join("1" for _ in fields),
        f"WIDTH {len(points)}",
        "HEIGHT 1",
        "VIEWPOINT 0 0 0 1 0 0 0",
        f"POINTS {len(points)}",
        "DATA binary",
        "",
    ]
    file.write("\n".join(header).encode("utf-8"))
    file.write(rows.tobytes())


def _type(dtype: np.dtype) -> np.dtype:
    """The type in which a field of such values is written."""
    if dtype.kind == "b":
        return np.dtype("u1")
    if dtype.kind == "f":
        return np.dtype("<f8" if dtype.itemsize > 4 else "<f4")
    return dtype.newbyteorder("<")


_Header = dict[str, list[str]]
_Fields = list[tuple[str, np.dtype, int]]  # name, type, how many of it
_Columns = dict[str, NDArray]


def _read_header(file: BinaryIO) -> _Header:
    header: _Header = {}
    while "DATA" not in header:
        line = file.readline(65536)
        if not line.endswith(b"\n"):
            raise ValueError("the header has no line DATA")
        words = line.decode("ascii", "replace").split()
        if words and not words[0].startswith("#"):
            header[words[0].upper()] = words[1:]
    return header


def _words(header: _Header, key: str) -> list[str]:
    if not header.get(key):
        raise ValueError(f"the header has no line {key}")
    return header[key]


def _numbers(header: _Header, key: str) -> list[int]:
    words = _words(header, key)
    if not all(word.isdecimal() and len(word) < 19 for word in words):
        raise ValueError(f"{key} must be whole numbers, got {' '.join(words)}")
    return [int(word) for word in words]


def _size(header: _Header) -> int:
    """The number of points."""
    if "WIDTH" not in header and "POINTS" in header:
        return _numbers(header, "POINTS")[0]
    width = _numbers(header, "WIDTH")[0]
    height = _numbers(header, "HEIGHT")[0] if "HEIGHT" in header else 1
    if "POINTS" in header and _numbers(header, "POINTS")[0] != width * height:
        raise ValueError(f"POINTS {header['POINTS'][0]} is not WIDTH {width} x HEIGHT {height}")
    return width * height


def _fields(header: _Header) -> _Fields:
    names = _words(header, "FIELDS")
    types, sizes = _words(header, "TYPE"), _numbers(header, "SIZE")
    counts = _numbers(header, "COUNT") if "COUNT" in header else [1] * len(names)
    if not len(names) == len(types) == len(sizes) == len(counts):
        raise ValueError("FIELDS, SIZE, TYPE and COUNT have different lengths")
    if max(counts) > 2**20:
        raise ValueError(f"COUNT {max(counts)} is beyond reason")
    fields = []
    for name, kind, size, count in zip(names, types, sizes, counts, strict=True):
        allowed = (4, 8) if kind == "F" else (1, 2, 4, 8)
        if kind not in _KINDS or size not in allowed:
            raise ValueError(f"field {name} has an unknown TYPE {kind} of SIZE {size}")
        fields.append((name, np.dtype(f"<{_KINDS[kind]}{size}"), count))
    return fields


def _read_ascii(body: bytes, fields: _Fields, count: int) -> _Columns:
    lines = [line for line in body.decode("ascii").splitlines() if line.strip()]
    if len(lines) != count:
        raise ValueError(f"the header promises {count} points, and {len(lines)} rows follow")
    values = table(lines, sum(n for _, _, n in fields))
    columns: _Columns = {}
    start = 0
    for name, _, n in fields:
        columns[name] = values[:, start] if n == 1 else values[:, start : start + n]
        start += n
    return columns


def _read_binary(body: bytes, fields: _Fields, count: int) -> _Columns:
    # By position: padding fields share the name "_".
    row = np.dtype([(str(i), kind, (n,)) for i, (_, kind, n) in enumerate(fields)])
    _check_length(len(body), count, row.itemsize)
    rows = np.frombuffer(body, row, count)
    return {
        name: rows[str(i)][:, 0] if n == 1 else rows[str(i)]
        for i, (name, _, n) in enumerate(fields)
    }


def _read_compressed(body: bytes, fields: _Fields, count: int) -> _Columns:
    if len(body) < 8:
        raise ValueError("the compressed data has no size")
    packed, size = struct.unpack_from("<II", body)
    if len(body) - 8 < packed:
        raise ValueError(f"{packed} compressed bytes are promised, {len(body) - 8} are there")
    row = sum(kind.itemsize * n for _, kind, n in fields)
    if size != count * row:
        raise ValueError(f"{count} points need {count * row} bytes, {size} are promised")
    data = decompress(body[8 : 8 + packed], size)
    columns: _Columns = {}
    start = 0
    for name, kind, n in fields:
        values = np.frombuffer(data, kind, count * n, start).reshape(count, n)
        columns[name] = values[:, 0] if n == 1 else values
        start += count * n * kind.itemsize
    return columns


def _check_length(length: int, count: int, row: int) -> None:
    if length < count * row:
        raise ValueError(
            f"the header promises {count} points of {row} bytes, and {length} bytes follow: "
            "the file is truncated or corrupt"
        )


FORMATS = (Format((".pcd",), "cloud", read, write),)
