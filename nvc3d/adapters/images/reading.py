"""Images as arrays of bytes: of files that Pillow opens, of arrays, and of IDX files."""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.extras import require
from nvc3d.files import reading

if TYPE_CHECKING:
    from PIL.Image import Image

Bytes = NDArray[np.uint8]

SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")


def peek(path: Path) -> tuple[int, int, int, bool]:
    """Channels, height and width of the image in a file, and whether it is animated, by its header
    alone. Raises ValueError, naming the file, where Pillow cannot open it."""
    pillow = require("PIL.Image", "to read images")
    with reading(path), pillow.open(path) as image:
        wide, high = image.size
        # Of a PNG that would read all of it.
        if image.format != "PNG" and image.getexif().get(274, 1) > 4:  # its camera lay on its side
            wide, high = high, wide
        return 1 if image.mode in _GREY else 3, high, wide, getattr(image, "n_frames", 1) > 1


def read_image(path: Path) -> Image:
    """The image in a file, of an animation the first frame; see `plain`.

    Raises ValueError, naming the file, where it is broken, and OSError where it cannot be read.
    """
    pillow = require("PIL.Image", "to read images")
    with reading(path), pillow.open(path) as image:
        return plain(image)


def as_image(what: Any) -> Image:
    """A path, an image of Pillow, or an array or tensor (H, W), (H, W, C) or (C, H, W) of 1, 3 or 4
    channels as an image; numbers with a point are from 0 to 1.

    Raises ValueError on anything else, and as `read_image` does.
    """
    if isinstance(what, str | Path):
        return read_image(Path(what))
    pillow = require("PIL.Image", "to read images")
    if isinstance(what, pillow.Image):
        return plain(what)
    array = np.asarray(what.detach().cpu() if hasattr(what, "detach") else what)
    if array.ndim == 3 and array.shape[-1] not in (1, 3, 4):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (3, 4))
    if not fits or array.size == 0 or array.dtype.kind not in "fiu":
        raise ValueError(
            "an image must be a path, an image of Pillow, or an array (H, W), (H, W, C) or "
            f"(C, H, W) of bytes or of numbers from 0 to 1, got {array.dtype} {array.shape}"
        )
    if array.dtype.kind == "f":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise ValueError(
                f"the numbers of an image must be from 0 to 1, got {array.min()} to {array.max()}"
            )
        array = np.rint(array * 255)
    elif array.dtype != np.uint8:
        raise ValueError(f"whole numbers of an image must be uint8, got {array.dtype}")
    return plain(pillow.fromarray(array.astype(np.uint8)))


def plain(image: Image) -> Image:
    """An image in grey ("L") or in colours ("RGB"), upright as its camera says.

    16 bits are made 8, 0 to 65535 to 0 to 255, and what is transparent is seen on white. Raises
    ValueError on pixels whose range nobody knows.
    """
    pillow = require("PIL.Image", "to read images")
    # PGM and PNG of 16 bits are opened as if they had 32.
    known = image.mode.startswith("I;16") or image.format in ("PNG", "PPM")
    hidden = image.info.get("transparency")
    image = require("PIL.ImageOps", "to read images").exif_transpose(image)
    grey = image.mode in _GREY
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if not known:
            raise ValueError(
                f"its pixels are {values.min():g} to {values.max():g}, of 32 bits, and 8 or 16 "
                "bits are expected, 0 to 255 or 0 to 65535"
            )
        values = np.where(values == hidden, 65535, values)
        return pillow.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        white = pillow.new("RGBA", seen.size, "white")
        image = pillow.alpha_composite(white, seen)
    return image.convert("L" if grey else "RGB")


def fitted(image: Image, shape: tuple[int, int, int]) -> Bytes:
    """The bytes (C, H, W) of an image that is scaled until it covers so many pixels, and cut at its
    longer sides, equally on both."""
    channels, high, wide = shape
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (wide, high):
        pillow = require("PIL.Image", "to scale images")
        operations = require("PIL.ImageOps", "to scale images")
        image = operations.fit(image, (wide, high), pillow.Resampling.BILINEAR)
    return np.asarray(image).reshape(high, wide, channels).transpose(2, 0, 1).copy()


def read_idx(path: Path, axes: int) -> Bytes:
    """The array of an IDX file of unsigned bytes with so many axes: 1 of labels, 3 of images; gzip
    by its name. (LeCun, Cortes and Burges, "The MNIST database of handwritten digits".)

    Raises ValueError, naming the file, where it is none, cut short, or longer than it says.
    """
    with reading(path):
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                content = file.read()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"its gzip stream is broken or cut short: {error}") from None
        begin, magic = 4 + 4 * axes, bytes([0, 0, 8, axes])
        if content[:4] != magic:
            raise ValueError(
                f"an IDX file of unsigned bytes with {axes} axes begins with {magic.hex()}, this "
                f"one with {content[:4].hex() or 'nothing'}"
            )
        if len(content) < begin:
            raise ValueError(f"it is cut short: its header has {begin} bytes, got {len(content)}")
        shape = struct.unpack(f">{axes}I", content[4:begin])
        if prod(shape) != len(content) - begin:
            told = " x ".join(map(str, shape))
            raise ValueError(f"its header tells of {told} bytes, and {len(content) - begin} follow")
        return np.frombuffer(bytearray(content), np.uint8, offset=begin).reshape(shape)
