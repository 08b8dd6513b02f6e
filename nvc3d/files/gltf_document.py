"""The container that glTF 2.0 is: objects in JSON, numbers in buffers, accessors that view them.

Nothing in the file is believed before it is checked: an index against the list it points into, a
length against the bytes that are there.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import numpy as np
from numpy.typing import NDArray

_COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
# How many elements an accessor may have without bytes behind it, which the format allows.
_UNBACKED = 2**16
_MOST = 2**53  # beyond it some writers and readers of JSON round
_MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")


@dataclass(frozen=True)
class Entry:
    """An object of the document, and its name there for what is wrong with it."""

    values: Mapping[str, Any]
    name: str

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def _under(self, key: str) -> str:
        return f"{self.name}.{key}".lstrip(".")

    def wrong(self, key: str, expected: str) -> ValueError:
        got = json.dumps(self.values.get(key))
        got = got if len(got) <= 60 else got[:60] + "…"
        return ValueError(f"{self._under(key)} must be {expected}, got {got}")

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number from 0 on."""
        value = self.values.get(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
            raise self.wrong(key, "a whole number from 0 on")
        return value

    def numbers(self, key: str, default: Sequence[float] = (), count: int | None = None) -> NDArray:
        """A list of finite numbers: (count,), as many as the default has if no count is given."""
        count = len(default) if count is None else count
        value = self.values.get(key, list(default))
        plain = isinstance(value, list) and all(type(v) in (int, float) for v in value)
        if not plain or len(value) != count or not all(abs(v) < 1e308 for v in value):
            raise self.wrong(key, f"{count} finite numbers")
        return np.array(value, np.float64)

    def indices(self, key: str) -> list[int]:
        """A list of whole numbers from 0 on, empty where there is none."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(
            type(v) is int and 0 <= v <= _MOST for v in value
        ):
            raise self.wrong(key, "a list of whole numbers from 0 on")
        return value

    def words(self, key: str) -> list[str]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.wrong(key, "a list of words")
        return value

    def entry(self, key: str) -> Entry:
        """The object under a key, empty where there is none."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Entry(value, self._under(key))

    def entries(self, key: str) -> list[Entry]:
        """The objects in the list under a key, none where there is no list."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.wrong(key, "a list of objects")
        name = self._under(key)
        return [Entry(v, f"{name}[{i}]") for i, v in enumerate(value)]


class Document:
    """A .glb or .gltf file, told apart by their first bytes, with its buffers.

    Raises:
        ValueError: it is neither, of another version than 2, truncated or corrupt.
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        text, self._chunk = _chunks(data) if data[:4] == b"glTF" else (data, None)
        try:
            root = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError("its JSON is corrupt: it cannot be parsed") from error
        if not isinstance(root, dict):
            raise ValueError("its JSON is no object, as that of glTF is")
        self.root = Entry(root, "")
        self._folder = path.parent
        # How many bytes have been read, here and from the files of buffers.
        self.size = len(data)
        self._buffers: dict[int, memoryview] = {}
        self._lists: dict[str, list[Entry]] = {}
        asset = self.root.entry("asset").values
        # A reader of 2.0 reads all of 2.x, unless the file says that it needs a later one.
        version = asset.get("minVersion", "2.0" if self._is_2(asset) else asset.get("version"))
        if version != "2.0":
            raise ValueError(f"it must be of glTF version 2.0, got {version!r}")

    @staticmethod
    def _is_2(asset: Mapping[str, Any]) -> bool:
        return str(asset.get("version")).startswith("2.")

    def all(self, kind: str) -> list[Entry]:
        """The document's accessors, meshes, nodes, ..."""
        if kind not in self._lists:
            self._lists[kind] = self.root.entries(kind)
        return self._lists[kind]

    def at(self, kind: str, index: int) -> Entry:
        """One of the document's accessors, meshes, nodes, ..."""
        entries = self.all(kind)
        if index >= len(entries):
            raise ValueError(f"it refers to {kind}[{index}], and has {len(entries)} {kind}")
        return entries[index]

    def accessor(self, index: int, *kinds: str, count: int | None = None) -> NDArray:
        """The values of an accessor.

        Args:
            index: of the accessor.
            kinds: the types that it may have, such as "VEC3".
            count: how many elements it must have.

        Returns:
            (elements, components) in the type of the file; normalised integers as the float64
            from -1 to 1 that they mean.
        """
        entry = self.at("accessors", index)
        kind = entry.values.get("type")
        if kind not in kinds:
            raise entry.wrong("type", " or ".join(kinds))
        dtype = _component(entry)
        width, elements = _WIDTHS[kind], entry.whole("count")
        if count is not None and elements != count:
            raise entry.wrong("count", f"{count}, as many as there are vertices")
        if "bufferView" in entry:
            values = self._items(entry, elements, dtype, width)
        elif elements > max(_UNBACKED, self.size):
            raise ValueError(f"{entry.name} promises {elements} elements, and none is there")
        else:
            values = np.zeros((elements, width), dtype)
        if "sparse" in entry:
            values = self._replaced(values, entry.entry("sparse"))
        return normalised(entry, values)

    def view(self, index: int) -> memoryview:
        """The bytes of a bufferView."""
        view = self.at("bufferViews", index)
        for name in _MESHOPT:
            if name in view.entry("extensions") and name in self.root.words("extensionsRequired"):
                raise ValueError(f"{view.name} is compressed with {name}, which is not read")
        data = self._buffer(view.whole("buffer"))
        start, length = view.whole("byteOffset", 0), view.whole("byteLength")
        if start + length > len(data):
            raise ValueError(
                f"{view.name} ends at byte {start + length} of a buffer of {len(data)}: "
                "the file is truncated or corrupt"
            )
        return data[start : start + length]

    def _items(self, holder: Entry, count: int, dtype: np.dtype, width: int) -> NDArray:
        """The elements (count, width) that an accessor, or a part of a sparse one, points at."""
        index = holder.whole("bufferView")
        data, view = self.view(index), self.at("bufferViews", index)
        size, start = dtype.itemsize * width, holder.whole("byteOffset", 0)
        stride = view.whole("byteStride", 0) or size
        if stride < size:
            raise view.wrong("byteStride", f"at least {size}, the size of an element")
        if count == 0:
            return np.zeros((0, width), dtype)
        if start + stride * (count - 1) + size > len(data):
            raise ValueError(
                f"{holder.name} promises {count} elements, and {view.name} has {len(data)} bytes: "
                "the file is truncated or corrupt"
            )
        return np.ndarray((count, width), dtype, data, start, (stride, dtype.itemsize))

    def _replaced(self, values: NDArray, sparse: Entry) -> NDArray:
        """Values of which a sparse accessor replaces some."""
        count, indices = sparse.whole("count"), sparse.entry("indices")
        kind = _component(indices)
        if kind.kind != "u":
            raise indices.wrong("componentType", "5121, 5123 or 5125, unsigned integers")
        at = self._items(indices, count, kind, 1)[:, 0]
        if count and at.max() >= len(values):
            raise ValueError(f"{indices.name} reach {at.max()}, of {len(values)} elements")
        result = values.copy()
        result[at] = self._items(sparse.entry("values"), count, values.dtype, values.shape[1])
        return result

    def _buffer(self, index: int) -> memoryview:
        if index not in self._buffers:
            entry = self.at("buffers", index)
            length = entry.whole("byteLength")
            data = memoryview(self._bytes(index, entry))
            if len(data) < length:
                raise ValueError(
                    f"{entry.name} promises {length} bytes, and {len(data)} are there: "
                    "the file is truncated or corrupt"
                )
            self._buffers[index] = data[:length]
        return self._buffers[index]

    def _bytes(self, index: int, entry: Entry) -> bytes | memoryview:
        uri = entry.values.get("uri")
        if uri is None:
            for name in _MESHOPT:
                if name in entry.entry("extensions"):
                    raise ValueError(f"{entry.name} is left empty for {name}, which is not read")
            if index == 0 and self._chunk is not None:
                return self._chunk
            raise ValueError(f"{entry.name} has no uri, and the file holds no bytes for it")
        if not isinstance(uri, str):
            raise entry.wrong("uri", "a word")
        scheme, separator, rest = uri.partition(":")
        if scheme.lower() == "data" and separator:
            return _data(entry, rest)
        if urlsplit(uri).scheme or urlsplit(uri).netloc:
            raise entry.wrong("uri", "a file beside it or data:")
        file = self._folder / unquote(uri)
        if not file.is_file():
            raise ValueError(f"{entry.name} is kept in {unquote(uri)}, and there is no such file")
        data = file.read_bytes()
        self.size += len(data)
        return data


def normalised(accessor: Entry, values: NDArray) -> NDArray:
    """The numbers that an accessor's integers mean, if it says that they are normalised."""
    if not accessor.values.get("normalized") or values.dtype.kind == "f":
        return values
    return np.maximum(values / float(np.iinfo(values.dtype).max), -1.0)


def _component(entry: Entry) -> np.dtype:
    code = entry.whole("componentType")
    if code not in _COMPONENTS:
        raise entry.wrong("componentType", f"one of {', '.join(map(str, _COMPONENTS))}")
    return np.dtype(_COMPONENTS[code])


def _chunks(data: bytes) -> tuple[bytes, memoryview | None]:
    """The JSON of a GLB file and its binary chunk."""
    version, length = struct.unpack("<II", data[4:12].ljust(8, b"\0"))
    if version != 2:
        raise ValueError(f"it must be GLB of version 2, got {version}")
    if length > len(data):
        raise ValueError(
            f"its header promises {length} bytes, and {len(data)} are there: "
            "the file is truncated or corrupt"
        )
    found: dict[bytes, memoryview] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + size > length:
            raise ValueError(f"a chunk at byte {at} promises {size} bytes: the file is corrupt")
        found.setdefault(kind, memoryview(data)[at + 8 : at + 8 + size])
        at += 8 + size
    if b"JSON" not in found:
        raise ValueError("it is GLB without JSON: the file is truncated or corrupt")
    return bytes(found[b"JSON"]), found.get(b"BIN\0")


def _data(entry: Entry, rest: str) -> bytes:
    """The bytes of a data URI, after its "data:"."""
    kind, comma, body = rest.partition(",")
    if not comma:
        raise entry.wrong("uri", "a data URI with a comma before its bytes")
    if not kind.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(unquote(body) if "%" in body else body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{entry.name} has bytes that are no base64") from error
