"""The container that PLY is: named elements, each a table of scalars and lists."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.parsing import lines_of, number, table, typed, unmarked

# Both families of names that the format has had, as NumPy type codes.
TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"float": "f4", "double": "f8"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"int64": "i8", "uint64": "u8", "float32": "f4", "float64": "f8"},
}
# The same types for struct, which knows them by letters.
_CODES = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I"}
_CODES |= {"i8": "q", "u8": "Q", "f4": "f", "f8": "d"}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class Lists:
    """A list property of all rows of an element."""

    values: NDArray  # (C,) all lists, one after the other
    lengths: NDArray[np.int64]  # (rows,)


Columns: TypeAlias = dict[str, NDArray | Lists]


@dataclass
class _Property:
    name: str
    type: str
    length_type: str | None  # None: a scalar

    @property
    def least_bytes(self) -> int:
        return int((self.length_type or self.type)[1])


@dataclass
class _Element:
    name: str
    count: int
    properties: list[_Property] = field(default_factory=list)

    def truncated(self, found: str) -> ValueError:
        return ValueError(
            f"the header promises {self.count} of element {self.name}, but {found}: "
            "the file is truncated or corrupt"
        )


def read_elements(file: BinaryIO) -> tuple[dict[str, Columns], list[str]]:
    """Read the properties of every element: scalars as (rows,) arrays, lists as Lists; and the
    comments of the header."""
    data = unmarked(file.read())
    order, elements, comments, start = _read_header(data)
    body = data[start:]
    columns = _read_binary(body, elements, order) if order else _read_ascii(body, elements)
    return columns, comments


def vertex_table(file: BinaryIO) -> tuple[np.dtype, int, int, list[str]] | None:
    """The type of a row, the number of rows and the place in the file of the vertices, and the
    comments of the header, where those can be read from the middle: in a binary file that begins
    with them, none of them a list.

    Raises ValueError on a broken header and where the rows promised are not there.
    """
    data = b""
    while (piece := file.read(2**16)) and len(data) < _LONGEST:
        data += piece
        if (end := _END.search(data)) and end.end() + 2 <= len(data):
            break
    text = unmarked(data)
    order, elements, comments, offset = _read_header(text)
    vertex = elements[0] if elements else None
    if not order or vertex is None or vertex.name != "vertex":
        return None
    if any(p.length_type for p in vertex.properties):
        return None
    dtype = np.dtype([(p.name, order + p.type) for p in vertex.properties])
    offset += len(data) - len(text)
    there = file.seek(0, 2) - offset
    if (size := vertex.count * dtype.itemsize) > there:
        raise vertex.truncated(f"{there} of {size} bytes are there")
    return dtype, vertex.count, offset, comments


_END = re.compile(rb"[\r\n][ \t]*end_header[ \t]*(?=[\r\n])")
_LONGEST = 2**24
"""Bytes in which a header must end."""


def _read_header(data: bytes) -> tuple[str, list[_Element], list[str], int]:
    """The byte order ("" for text), the elements, the comments, and where what they describe begins
    in the bytes of a file."""
    first = re.match(rb"ply[ \t]*(\r\n|\n\r|\r|\n)", data)
    if first is None:
        raise ValueError("it does not start with 'ply'")
    end = _END.search(data, first.end() - 1, _LONGEST)
    if end is None:
        raise ValueError("the header has no end_header")
    # What ends the first line ends the last: a byte more or less would shift all numbers.
    ends = (first[1], b"\r\n", b"\n", b"\r")
    start = end.end() + len(next(e for e in ends if data.startswith(e, end.end())))
    order: str | None = None
    elements: list[_Element] = []
    comments: list[str] = []
    for line in lines_of(data[first.end() : end.start()].decode("utf-8", "replace")):
        words = line.split()
        match words:
            case ["comment" | "obj_info", *_]:
                comments.append(line.strip().partition(" ")[2])
            case ["format", name, *_] if name in _ORDERS:
                order = _ORDERS[name]
            case ["element", name, count] if count.isdecimal() and len(count) < 19:
                elements.append(_Element(name, int(count)))
            case ["property", "list", length, kind, *name] if (
                elements and name and TYPES.get(length, "f4")[0] != "f" and kind in TYPES
            ):
                listed = _Property(" ".join(name), TYPES[kind], TYPES[length])
                elements[-1].properties.append(listed)
            case ["property", kind, *name] if elements and name and kind in TYPES:
                elements[-1].properties.append(_Property(" ".join(name), TYPES[kind], None))
            case _:
                raise ValueError(f"the header has a line it may not have: {' '.join(words)!r}")
    if order is None:
        raise ValueError("the header names no format")
    for element in elements:
        names = [p.name for p in element.properties]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"element {element.name} must have properties, each with its own name")
    if len({e.name for e in elements}) != len(elements):
        raise ValueError("two elements have the same name")
    return order, elements, comments, start


def _read_ascii(body: bytes, elements: list[_Element]) -> dict[str, Columns]:
    lines = lines_of(body.decode("latin-1"))
    result: dict[str, Columns] = {}
    start = 0
    for element in elements:
        if any(p.length_type for p in element.properties):
            result[element.name], start = _ascii_lists(element, lines, start)
            continue
        rows, start = _ascii_rows(element, lines, start)
        values = table(rows, len(element.properties))
        result[element.name] = {
            p.name: typed(values[:, i], np.dtype(p.type)) for i, p in enumerate(element.properties)
        }
    return result


def _ascii_rows(element: _Element, lines: list[str], start: int) -> tuple[list[str], int]:
    """The rows of an element without lists, and where the next begins. A row may go on over several
    lines."""
    rows = lines[start : start + element.count]
    wanted = len(element.properties)
    if not rows or len(rows[0].split()) >= wanted:
        if len(rows) < element.count:
            raise element.truncated(f"{len(rows)} are there")
        return rows, start + element.count
    rows = []
    while len(rows) < element.count:
        words: list[str] = []
        while len(words) < wanted:
            if start == len(lines):
                raise element.truncated(f"{len(rows)} are there")
            words += lines[start].split()
            start += 1
        rows.append(" ".join(words))
    return rows, start


def _ascii_lists(element: _Element, lines: list[str], start: int) -> tuple[Columns, int]:
    """The rows of an element with lists, and where the next begins. A row may go on over several
    lines."""
    found = _Rows(element)
    for read in range(element.count):
        if start >= len(lines):
            raise element.truncated(f"{read} are there")
        row = lines[start]
        words = row.split()
        start += 1
        at = 0
        for i, prop in enumerate(element.properties):
            counted = prop.length_type is not None
            length = 1
            while True:
                if counted and at < len(words):
                    if not (words[at].isdecimal() and len(words[at]) < 19):
                        raise ValueError(
                            f"a list of element {element.name} has no length: {row[:60]!r}"
                        )
                    length, at, counted = int(words[at]), at + 1, False
                if not counted and at + length <= len(words):
                    break
                if start >= len(lines):
                    raise ValueError(f"a row of element {element.name} is too short: {row[:60]!r}")
                words += lines[start].split()
                start += 1
            values = [number(word) for word in words[at : at + length]]
            if None in values:
                raise ValueError(f"a row of element {element.name} has a word: {row[:60]!r}")
            found.add(i, [value for value in values if value is not None])
            at += length
        if at != len(words):
            raise ValueError(f"a row of element {element.name} is too long: {row[:60]!r}")
    return found.columns(), start


def _read_binary(body: bytes, elements: list[_Element], order: str) -> dict[str, Columns]:
    result: dict[str, Columns] = {}
    start = 0
    for element in elements:
        least = element.count * sum(p.least_bytes for p in element.properties)
        if least > len(body) - start:
            raise element.truncated(f"{len(body) - start} of {least} bytes or more are there")
        if element.count == 0:
            result[element.name] = _Rows(element).columns()
            continue
        even = _binary_even(element, body, start, order)
        result[element.name], start = even or _binary_lists(element, body, start, order)
    return result


def _binary_even(
    element: _Element, body: bytes, start: int, order: str
) -> tuple[Columns, int] | None:
    """Read all rows at once, if their lists are all as long as those of the first row."""
    fields: list[tuple] = []
    at = start
    for i, prop in enumerate(element.properties):
        if prop.length_type:
            length_type = np.dtype(order + prop.length_type)
            if at + length_type.itemsize > len(body):
                return None
            length = int(np.frombuffer(body, length_type, 1, at)[0])
            # Before anything of this size is made: a corrupt length must not ask for memory.
            if not 0 <= length <= len(body):
                return None
            fields.append((f"length {i}", length_type))
            fields.append((f"values {i}", order + prop.type, (length,)))
        else:
            fields.append((f"values {i}", order + prop.type))
        at = start + np.dtype(fields).itemsize
    end = start + element.count * (at - start)
    if end > len(body):
        return None
    rows = np.frombuffer(body, np.dtype(fields), element.count, start)
    columns: Columns = {}
    for i, prop in enumerate(element.properties):
        values = rows[f"values {i}"]
        if prop.length_type:
            lengths = rows[f"length {i}"].astype(np.int64)
            if (lengths != values.shape[1]).any():
                return None
            columns[prop.name] = Lists(values.reshape(-1), lengths)
        else:
            columns[prop.name] = values
    return columns, end


def _binary_lists(element: _Element, body: bytes, start: int, order: str) -> tuple[Columns, int]:
    found = _Rows(element)
    at = start
    try:
        for _ in range(element.count):
            for i, prop in enumerate(element.properties):
                length = 1
                if prop.length_type:
                    (length,) = struct.unpack_from(order + _CODES[prop.length_type], body, at)
                    at += int(prop.length_type[1])
                size = length * int(prop.type[1])
                if length < 0 or at + size > len(body):
                    raise element.truncated(f"one of them would have a list of {length}")
                found.add(i, struct.unpack_from(f"{order}{length}{_CODES[prop.type]}", body, at))
                at += size
    except struct.error as error:
        raise element.truncated("the file ends within them") from error
    return found.columns(), at


class _Rows:
    """Collects the values of an element's properties, row by row."""

    def __init__(self, element: _Element) -> None:
        self._properties = element.properties
        self._values: list[list[float]] = [[] for _ in element.properties]
        self._lengths: list[list[int]] = [[] for _ in element.properties]

    def add(self, index: int, values: Sequence[float]) -> None:
        self._values[index].extend(values)
        self._lengths[index].append(len(values))

    def columns(self) -> Columns:
        columns: Columns = {}
        for prop, found, lengths in zip(self._properties, self._values, self._lengths, strict=True):
            values = np.array(found, np.float64)
            if prop.length_type:
                columns[prop.name] = Lists(values, np.array(lengths, np.int64))
            else:
                columns[prop.name] = values
        return columns
