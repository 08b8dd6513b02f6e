"""The container that NPZ is: arrays in a ZIP file, read without trusting their headers."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.zipped import open_zip

_EXPANDED = 2**28
"""Bytes of an array that are unpacked whatever the size of the file."""
_RATIO = 100
"""Most bytes of a larger array for each byte of the file: points are never packed like that."""
_HEADER = 2**17
"""Most bytes of a header."""


@contextmanager
def open_npz(path: Path) -> Iterator[dict[str, Member]]:
    """Open an NPZ file: its arrays by name, none of them read yet.

    Raises ValueError on one that is no ZIP file.
    """
    with open_zip(path, "NPZ") as archive:
        yield {
            info.filename.removesuffix(".npy"): Member(archive, info, path.stat().st_size)
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }


class Member:
    """An array of an NPZ file. Its `shape` and `dtype` are known before it is read."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> None:
        self._archive, self._info, self._size = archive, info, size
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"array {info.filename} is compressed as NumPy does not do it")
        with archive.open(info) as file:
            self.shape, self._fortran, self.dtype, offset = npy_header(file)
        self._content = info.file_size - offset

    def load(self) -> NDArray:
        """Read the whole array.

        Raises ValueError where its size is not the one that it promises, and where far more would
        come out of the file than there is in it.
        """
        self._check()
        if self._content > _EXPANDED and self._content > _RATIO * self._size:
            raise ValueError(
                f"array {self._info.filename} would grow to {self._content} bytes out of a file "
                f"of {self._size}"
            )
        with self._archive.open(self._info) as file:
            npy_header(file)
            # Grows with what is really there: the size that the ZIP file states may be false.
            data = file.read()
        values = np.frombuffer(data, self.dtype)
        return values.reshape(self.shape[::-1]).T if self._fortran else values.reshape(self.shape)

    def rows(self) -> Iterator[NDArray]:
        """Read the array along its first axis, one piece at a time."""
        if self._fortran:
            yield from self.load()
            return
        self._check()
        shape = self.shape[1:]
        size = prod(shape) * self.dtype.itemsize
        with self._archive.open(self._info) as file:
            npy_header(file)
            for _ in range(self.shape[0]):
                yield np.frombuffer(file.read(size), self.dtype).reshape(shape)

    def _check(self) -> None:
        check_size(
            f"array {self._info.filename}", self.shape, self.dtype, self._content, exactly=True
        )


def check_size(
    what: str, shape: tuple[int, ...], dtype: np.dtype, content: int, *, exactly: bool = False
) -> None:
    """Raises ValueError on an array that has another size than it promises, or holds Python
    objects."""
    if dtype.hasobject:
        raise ValueError(f"{what} holds Python objects, not numbers")
    promised = prod(shape) * dtype.itemsize
    if promised > content or (exactly and promised != content):
        raise ValueError(
            f"{what} is {shape} of {dtype}, which takes {promised} bytes, and has {content}: the "
            "file is truncated or corrupt"
        )


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """The shape of an array in an NPY file, whether its first axis varies fastest, its type, and
    where it begins.

    Raises ValueError on anything that is no header.
    """
    start = file.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY":
        raise ValueError("it does not begin as an NPY file does")
    if start[6] not in (1, 2, 3):
        raise ValueError(f"an array has the unknown NPY version {start[6]}.{start[7]}")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    if length > _HEADER:
        raise ValueError(f"the header of an array would take {length} bytes")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("the header of an array is truncated")
    return *_told(text, "utf-8" if start[6] == 3 else "latin-1"), 8 + width + length


@lru_cache(maxsize=256)
def _told(header: bytes, encoding: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """What a header says. The arrays of a data set have few different ones, each of which takes
    longer to parse than a small array to read."""
    wrong = ValueError("the header of an array is corrupt")
    try:
        said = ast.literal_eval(header.decode(encoding).strip())
        shape, fortran = said["shape"], said["fortran_order"]
        dtype = np.lib.format.descr_to_dtype(said["descr"])
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        raise wrong from None
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise wrong
    return shape, bool(fortran), dtype
