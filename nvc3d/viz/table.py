"""Decoded samples as rows of small pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from nvc3d.viz.arrays import Floats, floats
from nvc3d.viz.figure import INK, LARGE, SMALL, new_figure, save
from nvc3d.viz.thumbnails import gap_of, sheet

Samples = Sequence[Any] | NDArray[Any] | Tensor
"""One array for each sample: a batch at once, or clouds of different sizes one by one."""

_LINES = 15  # under each other
_INCHES = 0.44  # side of a picture


def as_samples(samples: Samples) -> list[Floats]:
    """Samples as a list of arrays; ValueError on NaN and inf."""
    if hasattr(samples, "shape"):
        return list(floats(samples, "samples"))
    return [floats(sample, "samples") for sample in samples]


def decoded(
    decode: Callable[[Tensor], Tensor], embeddings: Tensor, data: list[Floats] | None
) -> list[Floats]:
    """What is decoded, each in the shape of the data; ValueError where it has another."""
    out = floats(decode(embeddings), "what decode returns")
    if out.ndim < 2 or len(out) != len(embeddings):
        raise ValueError(f"decode must give {len(embeddings)} samples, got {out.shape}")
    if data is None:
        return list(out)
    shape = data[0].shape
    clouds = len(shape) == 2 and shape[1] == 3 == out.shape[-1] and out.ndim == 3
    if not clouds:
        if out[0].size != data[0].size:
            raise ValueError(f"decode must give samples of shape {shape}, got {out.shape[1:]}")
        out = out.reshape(-1, *shape)
    return list(out)


def save_table(
    path: str | os.PathLike[str],
    table: list[list[Floats]],
    names: list[str],
    titles: dict[int, str],
    title: str,
) -> Path:
    """Rows of pictures with their names, in blocks beside each other, titles over their columns."""
    if len({picture.shape for row in table for picture in row}) > 1:
        raise ValueError("all pictures must have the same size")
    blocks = ceil(len(table) / _LINES)
    lines = ceil(len(table) / blocks)
    parts = [sheet(table[i : i + lines], list(titles)) for i in range(0, len(table), lines)]
    high, wide, _ = table[0][0].shape
    inches = _INCHES / wide  # of a pixel
    width, height = parts[0][0].shape[1] * inches, parts[0][0].shape[0] * inches
    label, head, margin = 0.55, 0.55 if titles else 0.38, 0.1
    figure = new_figure(len(parts) * (label + width + margin) + margin, head + height + margin)
    across, tall = figure.get_size_inches()
    figure.suptitle(title, fontsize=LARGE, color=INK, y=1 - 0.06 / tall, va="top")
    for block, (image, columns) in enumerate(parts):
        left = block * (label + width + margin) + label
        down = image.shape[0] * inches
        bottom = tall - head - down
        axis = figure.add_axes((left / across, bottom / tall, width / across, down / tall))
        axis.imshow(image, aspect="auto")
        own = names[block * lines : (block + 1) * lines]
        middles = [line * (high + gap_of(wide)) + high / 2 for line in range(len(own))]
        axis.set_yticks(middles, own, fontsize=SMALL - 1, color=INK)
        axis.set_xticks([])
        axis.tick_params(length=0)
        for side in axis.spines.values():
            side.set_visible(False)
        for column, name in titles.items():
            place = columns[column], -gap_of(wide)
            axis.text(*place, name, fontsize=SMALL - 1, color=INK, va="bottom")
    return save(figure, path)
