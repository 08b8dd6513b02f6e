"""Records of TensorFlow's `.tfrecords` files, and the examples in them, without TensorFlow.

A record is its length (8 bytes), a checksum of that, its bytes and a checksum of those; an example
is a protocol buffer: by name, lists of bytes, of float32 or of int64.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = "list[bytes] | NDArray[np.float32] | NDArray[np.int64]"

_HEADER, _FOOTER = 12, 4
_LARGEST = 2**30
"""Bytes of a record that nobody writes more of."""


def record_places(path: Path) -> list[tuple[int, int]]:
    """Where each record of a file begins, and how many bytes it has; none is read.

    Raises ValueError where a length is not what its checksum says, or more than there is.
    """
    size, at = path.stat().st_size, 0
    places: list[tuple[int, int]] = []
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            header = file.read(_HEADER)
            number = len(places)
            if len(header) < _HEADER:
                raise ValueError(f"it ends within the header of record {number}")
            length, check = struct.unpack("<QI", header)
            if check != _masked(_crc(header[:8])):
                raise ValueError(f"record {number} at byte {at} does not begin with its length")
            if length > min(size - at - _HEADER - _FOOTER, _LARGEST):
                raise ValueError(
                    f"record {number} is to have {length} bytes, and "
                    f"{max(size - at - _HEADER - _FOOTER, 0)} are left"
                )
            places.append((at + _HEADER, length))
            at += _HEADER + length + _FOOTER
    if not places:
        raise ValueError("it is empty")
    return places


def read_record(path: Path, place: tuple[int, int]) -> bytes:
    """The bytes of a record. Raises ValueError where the file has become shorter."""
    with path.open("rb") as file:
        file.seek(place[0])
        data = file.read(place[1])
    if len(data) != place[1]:
        raise ValueError(f"a record is to have {place[1]} bytes, got {len(data)}")
    return data


def example(data: bytes) -> dict[str, Value]:
    """The values of an example by name. Raises ValueError where it is none, or cut short."""
    view = memoryview(data)
    values: dict[str, Value] = {}
    for number, features in _fields(view):
        if number != 1 or not isinstance(features, memoryview):
            continue
        for _, entry in _fields(features):
            own = dict(_fields(_bytes(entry)))
            if set(own) != {1, 2}:
                raise ValueError("an example has an entry without a name or a value")
            values[bytes(_bytes(own[1])).decode()] = _value(_bytes(own[2]))
    if not values:
        raise ValueError("a record holds no example")
    return values


def _value(feature: memoryview) -> Value:
    for kind, content in _fields(feature):
        parts = [part for number, part in _fields(_bytes(content)) if number == 1]
        if kind == 1:
            return [bytes(_bytes(part)) for part in parts]
        if kind == 2:  # packed, or each by itself
            raw = b"".join(bytes(_bytes(part)) for part in parts)
            if len(raw) % 4:
                raise ValueError(f"a list of float32 has {len(raw)} bytes")
            return np.frombuffer(raw, "<f4").astype(np.float32)
        if kind == 3:
            return np.array([n for part in parts for n in _numbers(part)], np.uint64).view(np.int64)
    return []


def _numbers(part: memoryview | int) -> Iterator[int]:
    if isinstance(part, int):
        yield part
        return
    at = 0
    while at < len(part):
        value, at = _varint(part, at)
        yield value


def _bytes(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ValueError("an example has a number where bytes are expected")
    return value


def _fields(view: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """The fields of a protocol buffer: their numbers, and bytes or a number."""
    at = 0
    while at < len(view):
        key, at = _varint(view, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(view, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(view, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"an example has a field of an unknown kind, {kind}")
        left = len(view) - at
        if length > left:
            raise ValueError(f"a part of an example is to have {length} bytes, got {left}")
        yield number, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(view):
            raise ValueError("an example ends within a number")
        byte = view[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value & (2**64 - 1), at
    raise ValueError("an example has a number of more than 64 bits")


def _crc(data: bytes) -> int:
    """CRC-32C (Castagnoli)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    """As records have it."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
