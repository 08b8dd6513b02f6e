"""The container that NPZ is: arrays in a ZIP file, read without trusting their headers."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray


@contextmanager
def open_npz(path: Path) -> Iterator[dict[str, Member]]:
    """Open an NPZ file: its arrays by name, none of them read yet."""
    with zipfile.ZipFile(path) as archive:
        yield {
            info.filename.removesuffix(".npy"): Member(archive, info)
            for info in archive.infolist()
            if info.filename.endswith(".npy")
        }


class Member:
    """An array of an NPZ file. Its `shape` and `dtype` are known before it is read."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._info = info
        with archive.open(info) as file:
            self.shape, self._fortran, self.dtype = _header(file)
            content = info.file_size - file.tell()
        if self.dtype.hasobject:
            raise ValueError(f"array {self._info.filename} holds Python objects")
        promised = prod(self.shape) * self.dtype.itemsize
        if promised != content:
            raise ValueError(
                f"array {info.filename} is {self.shape} of {self.dtype}, which takes {promised} "
                f"bytes, and has {content}: the file is truncated or corrupt"
            )

    def load(self) -> NDArray:
        """Read the whole array."""
        with self._archive.open(self._info) as file:
            _header(file)
            # Grows with what is really there: the size that the ZIP file states may be false.
            data = file.read()
        values = np.frombuffer(data, self.dtype)
        return values.reshape(self.shape[::-1]).T if self._fortran else values.reshape(self.shape)

    def rows(self) -> Iterator[NDArray]:
        """Read the array along its first axis, one piece at a time."""
        if self._fortran:
            yield from self.load()
            return
        shape = self.shape[1:]
        size = prod(shape) * self.dtype.itemsize
        with self._archive.open(self._info) as file:
            _header(file)
            for _ in range(self.shape[0]):
                yield np.frombuffer(file.read(size), self.dtype).reshape(shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"an array has the unknown NPY version {version[0]}.{version[1]}")
