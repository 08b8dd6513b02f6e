"""PCD (Point Cloud Library): ascii, binary and binary_compressed."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.columns import flat, named
from nvc3d.files.format import Format, Found
from nvc3d.files.lzf import decompress
from nvc3d.files.parsing import lines_of, names_comment, names_in, table, typed, unmarked

_KINDS = {"F": "f", "I": "i", "U": "u"}
_LIBRARY = {"nx": "normal_x", "ny": "normal_y", "nz": "normal_z"}


def read(path: Path) -> Found:
    """Read a cloud with all of its fields; see `nvc3d.files.columns.arranged`. A field `rgb` or
    `rgba` of 32 bits holds the bytes of a colour.
    """
    header, comments, body = _split(path.read_bytes())
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
    columns.pop("_", None)  # what fills a row up
    return named(columns, names_in(comments))


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


_DATA = re.compile(rb"(?:^|[\r\n])[ \t]*DATA[ \t]+\w+[ \t]*(\r\n|\n|\r)", re.IGNORECASE)


def _split(data: bytes) -> tuple[_Header, list[str], bytes]:
    """The header, the comments in it, and what follows it."""
    data = unmarked(data)
    end = _DATA.search(data)
    if end is None:
        raise ValueError("the header has no line DATA")
    header: _Header = {}
    comments: list[str] = []
    for line in lines_of(data[: end.end()].decode("utf-8", "replace")):
        words = line.split()
        if line.lstrip().startswith("#"):
            comments.append(line.strip().lstrip("# "))
        elif words:
            header[words[0].upper()] = words[1:]
    if "FIELDS" not in header and "COLUMNS" in header:  # before version 0.6
        header["FIELDS"] = header["COLUMNS"]
    return header, comments, data[end.end() :]


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
    if min(counts) < 1 or sum(counts) > 2**20:
        raise ValueError(f"COUNT must be from 1 to 2 ** 20, got {' '.join(map(str, counts))}")
    if twice := sorted({name for name in names if name != "_" and names.count(name) > 1}):
        raise ValueError(f"FIELDS has {' '.join(twice)} more than once")
    fields = []
    for name, kind, size, count in zip(names, types, sizes, counts, strict=True):
        allowed = (4, 8) if kind == "F" else (1, 2, 4, 8)
        if kind not in _KINDS or size not in allowed:
            raise ValueError(f"field {name} has an unknown TYPE {kind} of SIZE {size}")
        fields.append((name, np.dtype(f"<{_KINDS[kind]}{size}"), count))
    return fields


def _read_ascii(body: bytes, fields: _Fields, count: int) -> _Columns:
    lines = lines_of(body.decode("latin-1"))
    if len(lines) != count:
        raise ValueError(f"the header promises {count} points, and {len(lines)} rows follow")
    values = table(lines, sum(n for _, _, n in fields))
    columns: _Columns = {}
    start = 0
    for name, kind, n in fields:
        part = values[:, start] if n == 1 else values[:, start : start + n]
        # The library writes the bits of a colour as a whole number, whatever its type.
        packed = name.lower() in ("rgb", "rgba") and part.max(initial=0) >= 256
        columns[name] = typed(part, np.dtype("u4") if packed else kind)
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
