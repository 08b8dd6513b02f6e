"""Images with labels: scikit-learn's digits, IDX files, and folders of one's own."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nvc3d.adapters.images.reading import (
    SUFFIXES,
    Bytes,
    as_image,
    fitted,
    peek,
    read_idx,
    read_image,
)
from nvc3d.data.folder import EAGER_BYTES, Folder
from nvc3d.data.naming import named
from nvc3d.data.stand_ins import FAULTS
from nvc3d.data.tars import Packed, local
from nvc3d.extras import require

Shape = tuple[int, int, int]
"""Channels, height and width."""


class Images(Protocol):
    """Images (C, H, W) of one shape; the label is -1 where there is none."""

    @property
    def shape(self) -> Shape: ...

    @property
    def categories(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Bytes, int, str]: ...

    def label(self, index: int) -> int: ...


@dataclass(frozen=True, eq=False)
class Stack:
    """Images of one array, with their labels."""

    name: str
    pixels: Bytes
    """(N, H, W)"""
    labels: NDArray[np.int64]
    """(N,) into the categories"""
    categories: tuple[str, ...]

    @property
    def shape(self) -> Shape:
        return (1, *self.pixels.shape[1:])

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Bytes, int, str]:
        return self.pixels[index][None], self.label(index), f"{self.name} {index}"

    def label(self, index: int) -> int:
        return int(self.labels[index])

    def scaled(self, size: int | None) -> Stack:
        """With so many pixels a side; None: as they are."""
        if size is None or self.pixels.shape[1:] == (size, size):
            return self
        scaled = [fitted(as_image(pixels), (1, size, size))[0] for pixels in self.pixels]
        return replace(self, pixels=np.stack(scaled))

    def parts(self, measured: float) -> tuple[Stack | None, Stack]:
        """What to train on and, a fraction at the end, what to measure on; at 1 all of it."""
        if measured == 1:
            return None, self
        count = len(self) - min(max(round(measured * len(self)), 1), len(self) - 1)
        return self._of("first", slice(None, count)), self._of("last", slice(count, None))

    def _of(self, which: str, part: slice) -> Stack:
        name = f"{self.name}, {which}"
        return replace(self, name=name, pixels=self.pixels[part], labels=self.labels[part])


def digits() -> Stack:
    """scikit-learn's 1,797 digits of 8 x 8 pixels."""
    data = require("sklearn.datasets", "for the built-in digits").load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
    names = tuple(map(str, data.target_names))
    return Stack("digit", pixels, data.target.astype(np.int64), names)


_IDX = re.compile(r"(.*)images([-.])idx3-ubyte(\.gz)?")


def idx_files(folder: Path) -> list[Path]:
    """The IDX files of images in a folder; of one that is there packed and unpacked, the latter."""
    found = sorted(path for path in folder.iterdir() if _IDX.fullmatch(path.name))
    return [path for path in found if path.suffix != ".gz" or path.with_suffix("") not in found]


def idx(folder: Path, size: int | None, measured: float) -> tuple[Stack | None, Stack]:
    """MNIST and what is stored alike: `train-images-idx3-ubyte` and `t10k-` (or `test-`), with
    `labels-idx1` for `images-idx3`, and .gz or not.

    Both give the split; of one alone the last are measured on.

    Raises ValueError where a file is broken, its labels are not there or of another number, or
    there are more files than two.
    """
    stacks = {path: _stack(path) for path in idx_files(folder)}
    known = np.unique(np.concatenate([labels for _, labels in stacks.values()]))
    names = tuple(map(str, known.tolist()))
    made = {
        path: Stack(path.name, pixels, np.searchsorted(known, labels), names).scaled(size)
        for path, (pixels, labels) in stacks.items()
    }
    if len(made) == 1:
        return made.popitem()[1].parts(measured)
    train = [stack for path, stack in made.items() if "train" in path.name]
    test = [stack for path, stack in made.items() if re.search("t10k|test", path.name)]
    if len(made) != 2 or len(train) != 1 or len(test) != 1:
        raise ValueError(
            f"{folder}: expected one IDX file of images called train and one called t10k or test, "
            f"got {', '.join(path.name for path in made)}"
        )
    if train[0].shape != test[0].shape:
        raise ValueError(f"{folder}: images of {train[0].shape} and of {test[0].shape} in one set")
    return None if measured == 1 else train[0], test[0]


def _stack(path: Path) -> tuple[Bytes, Bytes]:
    """The images (N, H, W) of an IDX file, and the labels (N,) beside it."""
    pixels = read_idx(path, 3)
    beside = path.with_name(_IDX.sub(r"\1labels\2idx1-ubyte", path.name))
    packed = beside.with_name(f"{beside.name}.gz")
    labels = read_idx(beside if beside.exists() else packed, 1)
    if len(labels) != len(pixels) or pixels.size == 0:
        raise ValueError(f"{path}: there are {len(pixels)} images and {len(labels)} labels")
    return pixels, labels


class ImageFolder(Folder[Bytes]):
    """The images of a folder and its sub-folders, scaled to one size and cut to one shape.

    The category is the first sub-folder that is not one of a split (see `Layout`), none where there
    is none. Files that cannot be read are left out, counted and named. Up to `EAGER_BYTES` in all
    the images are kept; above, each is read whenever it is asked for.

    Args:
        folder: where they are.
        size: pixels of a side, of a square; None: the size that most of the images have.

    Raises FileNotFoundError where there is no such folder, and ValueError where it holds no image
    that can be used, or where sizes differ and none is given.
    """

    what = "images"
    suffixes = SUFFIXES
    shape: Shape

    def __init__(self, folder: str | Path, size: int | None) -> None:
        super().__init__(folder)
        if not self._files:
            raise ValueError(
                f"{self.root}: the folder holds no IDX file called ...images-idx3-ubyte, and no "
                f"image, of those {' '.join(SUFFIXES)}"
            )
        require("PIL.Image", "to read images")
        found: dict[str, tuple[int, int, int, bool]] = {}
        skipped: list[tuple[str, str]] = []
        for name, file in self._files.items():
            try:
                with local(file) as path:
                    found[name] = peek(path)
            except FAULTS as error:
                skipped.append((name, str(error).removeprefix(f"{file}: ")))
        if not found:
            self._hold([], skipped, "left out")
        self.shape = self._common(found, size)
        eager = np.prod(self.shape) * len(found) <= EAGER_BYTES
        entries = []
        for name in found:
            load = partial(_load, self._files[name], self.shape)
            try:
                # An array is itself as an array.
                load = partial(np.asarray, load()) if eager else load
                entries.append(_Entry(name, self._layout.category(name, ""), load))
            except FAULTS as error:
                skipped.append((name, str(error).removeprefix(f"{self._files[name]}: ")))
        self._hold(entries, skipped, "left out")
        if moving := [name for name, (*_, moves) in found.items() if moves]:
            warnings.warn(
                f"{self.root}: {len(moving)} of {len(found)} images are animated, of which the "
                f"first frame is taken: {named(moving)}",
                stacklevel=2,
            )

    def _common(self, found: dict[str, tuple[int, int, int, bool]], size: int | None) -> Shape:
        """The shape that all images are to have."""
        channels = max(shape[0] for shape in found.values())
        if size is not None:
            return channels, size, size
        (most, count), *_ = Counter(shape[1:3] for shape in found.values()).most_common(1)
        if 2 * count <= len(found):
            raise ValueError(f"{self.root}: the images differ in size: give --size, 64 say")
        if others := [name for name, shape in found.items() if shape[1:3] != most]:
            warnings.warn(
                f"{self.root}: {len(others)} of {len(found)} images are not {most[1]} x {most[0]} "
                f"pixels, and are scaled and cut to that: {named(others)}",
                stacklevel=3,
            )
        return (channels, *most)


class _Entry(NamedTuple):
    """An image in memory, or one that is read whenever it is asked for."""

    name: str
    category: str
    load: Callable[[], Bytes]


def _load(file: Path | Packed, shape: Shape) -> Bytes:
    with local(file) as path:
        return fitted(read_image(path), shape)


def images_in(
    folder: str | None, size: int | None, measured: float, seed: int
) -> tuple[Images | None, Images]:
    """The images of a folder, None for the digits: what to train on, None where all is measured on,
    and what to measure on. `measured` is a fraction; sets that come with a split keep it.

    Raises ValueError or FileNotFoundError where there are none that can be used.
    """
    if folder is None:
        return digits().scaled(size).parts(measured)
    if (path := Path(folder)).is_dir() and idx_files(path):
        return idx(path, size, measured)
    return ImageFolder(path, size).parts(measured, seed)
