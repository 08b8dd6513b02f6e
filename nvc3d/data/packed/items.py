"""The items of shards that a data set was packed into, array by array."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.tars import Packed, beside, packed, shards
from nvc3d.files import PathLike
from nvc3d.files.npz import check_size, npy_header

SET = "set.json"
"""Beside the shards: of what kind the data set is, what all of its items share, and how they are
called."""
ERROR = "error.txt"
"""What is wrong with an item that could not be read when it was packed; `NAME.error.txt`, with an
array of it."""
_HEADER = 2**14
"""Bytes that the header of an array is within."""


class Items:
    """The items of one half of a data set, of those whose shards are given.

    Args:
        root: the shards, see `tars.shards`.
        half: "train" or "test".

    Raises:
        ValueError: a shard cannot be read, what is beside them is of another form, or there is no
            item.
    """

    def __init__(self, root: PathLike, half: str) -> None:
        self.told = told(root)
        files: defaultdict[int, dict[str, Packed]] = defaultdict(dict)
        for file in packed(shards(root) or []):
            folder, _, rest = file.member.name.partition("/")
            number, _, ending = rest.partition(".")
            if folder == half and number.isdecimal():
                files[int(number)][ending] = file
        try:
            known = self.told["halves"][half]
            self.names: list[str] = [str(known["names"][number]) for number in sorted(files)]
            self.labels: list[int] = [int(known["labels"][number]) for number in sorted(files)]
            self.categories = tuple(map(str, self.told["categories"]))
        except (LookupError, TypeError, ValueError):
            raise ValueError(f"{root}: its {SET} is not of these shards") from None
        if not files:
            raise ValueError(f"{root}: the shards hold no item of the half {half!r}")
        if not -1 <= min(self.labels) <= max(self.labels) < len(self.categories):
            raise ValueError(f"{root}: its {SET} has labels that are no categories")
        self._files = [files[number] for number in sorted(files)]

    def __len__(self) -> int:
        return len(self.names)

    def arrays(self, index: int) -> list[str]:
        """What an item's arrays are called, in order.

        Raises ValueError, with what was wrong, where it was broken when it was packed.
        """
        files = self._files[index]
        if ERROR in files:
            raise ValueError(files[ERROR].read().decode(errors="replace"))
        names = (name.removesuffix(f".{ERROR}").removesuffix(".npy") for name in files)
        return sorted(set(names) - {"json"})

    def array(self, index: int, name: str, kinds: str = "fiu") -> NDArray[Any]:
        """An array of an item. Raises ValueError where it is broken, or not of these kinds."""
        file = self._file(index, name)
        data = bytearray(file.read())
        shape, dtype, offset = _header(file, bytes(data[:_HEADER]), kinds)
        return np.frombuffer(data, dtype, offset=offset).reshape(shape)

    def rows(
        self, index: int, name: str
    ) -> tuple[tuple[int, ...], Callable[[int, int], NDArray[Any]]]:
        """The shape of an array of an item, and what reads some of its rows, from start to stop.

        Raises ValueError as `array` does, and reading does where the shard is too short.
        """
        file = self._file(index, name)
        shape, dtype, offset = _header(file, file.read(0, _HEADER), "fiu")
        row = (file.member.size - offset) // max(shape[0], 1)

        def read(start: int, stop: int) -> NDArray[Any]:
            data = bytearray(file.read(offset + start * row, offset + stop * row))
            return np.frombuffer(data, dtype).reshape(-1, *shape[1:])

        return shape, read

    def _file(self, index: int, name: str) -> Packed:
        files = self._files[index]
        for error in (ERROR, f"{name}.{ERROR}"):
            if error in files:
                raise ValueError(files[error].read().decode(errors="replace"))
        if (found := files.get(f"{name}.npy")) is None:
            raise ValueError(f"{self.names[index]}: the shards have no array {name!r} of it")
        return found

    def values(self, index: int) -> dict[str, Any]:
        """What else is told of an item. Raises ValueError where it is of another form."""
        self.arrays(index)
        try:
            values = json.loads(self._files[index]["json"].read())
        except (KeyError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise ValueError(f"{self.names[index]}: the shards do not tell what else it is")
        return values


def _header(file: Packed, start: bytes, kinds: str) -> tuple[tuple[int, ...], np.dtype, int]:
    """The shape and type of the array in a file, and where it begins."""
    try:
        shape, fortran, dtype, offset = npy_header(io.BytesIO(start))
        check_size("the array", shape, dtype, file.member.size - offset, exactly=True)
        if fortran or not shape or dtype.kind not in kinds:
            raise ValueError(f"expected rows of numbers, got {dtype} {shape}")
    except ValueError as error:
        raise ValueError(f"{file.shard}: {file.member.name}: {error}") from None
    return shape, dtype, offset


def told(root: PathLike) -> dict[str, Any]:
    """What is told of the data set in shards; nothing where there is none."""
    return _parsed(beside(Path(root), SET) or b"")


@lru_cache(maxsize=2)
def _parsed(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
