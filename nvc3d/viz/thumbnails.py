"""Samples as small pictures, and pictures as one sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from nvc3d.viz.arrays import Floats, floats
from nvc3d.viz.clouds import HUES, camera

Picture = Callable[[Floats], ArrayLike]
"""From a sample to its picture: (H, W) from black at 0 to white at 1, or (H, W, 3)."""

_SIZE = 72  # pixels of a picture of a cloud or of voxels
_FINER = 2  # drawn so many times larger, then averaged: soft edges


def by_shape(samples: Sequence[Floats]) -> Picture:
    """How samples are drawn, told by their shape; all in one frame and one range.

    (N, 3) is a cloud; (H, W), (1, H, W), (3, H, W) and (H, W, 3) an image; (X, Y, Z) and
    (1, X, Y, Z) voxels, full above the middle of their range. Raises ValueError on others.
    """
    shape = samples[0].shape
    if len(shape) == 2 and shape[1] == 3:
        points = np.concatenate(list(samples))
        low, high = points.min(0), points.max(0)
        centre = (low + high) / 2
        radius = float(np.linalg.norm(points - centre, axis=1).max()) or 1.0
        return lambda sample: cloud_picture((sample - centre) / radius)
    low, high = min(s.min() for s in samples), max(s.max() for s in samples)
    if len(shape) == 2 or (len(shape) == 3 and (shape[0] in (1, 3) or shape[2] == 3)):
        return lambda sample: _image(sample, low, high)
    if len(shape) == 3 or (len(shape) == 4 and shape[0] == 1):
        # All empty or all full: what is full then is a matter of the sign.
        middle = (low + high) / 2 if high > low else 0.0
        return lambda sample: voxel_picture(sample.reshape(sample.shape[-3:]) > middle)
    raise ValueError(
        f"samples of shape {shape} are neither clouds (N, 3), images nor voxels: "
        "give a function that makes a picture (H, W) or (H, W, 3) of one as `picture`"
    )


def cloud_picture(points: Floats) -> Floats:
    """A picture (H, W, 3) of a cloud (N, 3) in the unit ball: near points are dark."""
    x, y, depth = (points @ camera(35.0, 22.0).T).T
    return _paint(x, y, depth, _shade(depth), 1.6 if len(points) > 1500 else 2.2)


def voxel_picture(full: np.ndarray) -> Floats:
    """A picture (H, W, 3) of the voxels (X, Y, Z) that are full, z up, each side in its shade."""
    eye = camera(35.0, 22.0)
    largest = max(full.shape)
    size = np.array(full.shape)
    corners = np.stack(np.meshgrid(*([0, n] for n in size)), -1).reshape(-1, 3) - size / 2
    radius = np.abs(corners @ eye[:2].T).max()  # the whole grid fits
    padded = np.pad(full, 1)
    # Points on a side, near enough to one another for their dots to close.
    fine = (np.arange(3) + 0.5) / 3
    every, shades = [np.zeros((0, 3))], [np.zeros((0, 3))]
    dark, light = (np.array(hue) for hue in HUES[0])
    for axis, weight in enumerate((0.35, 0.0, 0.85)):
        sign = -1 if eye[2, axis] > 0 else 1  # the side that looks to the camera
        cells = np.argwhere(padded & ~np.roll(padded, -sign, axis)) - 1  # (F, 3)
        offset = np.stack(np.meshgrid(*[fine] * 3, indexing="ij"), -1).reshape(-1, 3)
        offset = offset[offset[:, axis] == fine[0]]
        offset[:, axis] = 1.0 if sign > 0 else 0.0
        every.append((cells[:, None] + offset).reshape(-1, 3))
        shades.append(np.tile(dark + (light - dark) * weight, (len(every[-1]), 1)))
    points = (np.concatenate(every) - size / 2) / radius
    x, y, depth = (points @ eye.T).T
    return _paint(x, y, depth, np.concatenate(shades), 0.35 * _SIZE * _FINER / largest / 2)


def sheet(rows: Sequence[Sequence[Floats]], groups: Sequence[int]) -> tuple[Floats, list[int]]:
    """Pictures (H, W, 3) of one size as one, and where its columns begin.

    They have white between them, and more of it before the columns in which `groups` start.
    """
    high, wide, _ = rows[0][0].shape
    gap = gap_of(wide)
    wider = [sum(0 < first <= column for first in groups) for column in range(len(rows[0]))]
    left = [column * (wide + gap) + 4 * gap * wider[column] for column in range(len(rows[0]))]
    whole = np.ones((len(rows) * (high + gap) - gap, left[-1] + wide, 3))
    for line, row in enumerate(rows):
        top = line * (high + gap)
        for x, picture in zip(left, row, strict=True):
            whole[top : top + high, x : x + wide] = picture
    return whole, left


def gap_of(wide: int) -> int:
    """Pixels between pictures of a width."""
    return max(1, wide // 14)


def checked(picture: ArrayLike) -> Floats:
    """A caller's picture as (H, W, 3) from 0 to 1."""
    image = floats(picture, "a picture")
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"a picture must be (H, W) or (H, W, 3), got {image.shape}")
    return np.clip(image, 0, 1)


def _image(sample: Floats, low: float, high: float) -> Floats:
    image = (sample - low) / ((high - low) or 1.0)
    if image.ndim == 3 and image.shape[2] != 3:
        image = image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1)
    return image


def _shade(depth: Floats) -> Floats:
    near, far = (np.array(hue) for hue in HUES[0])
    return near + (far - near) * np.clip((depth[:, None] + 1) / 2, 0, 1)


def _paint(x: Floats, y: Floats, depth: Floats, colour: Floats, radius: float) -> Floats:
    """Dots (N,) in -1 to 1 as discs of a radius in fine pixels, near ones over far ones."""
    size = _SIZE * _FINER
    reach = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    dy, dx = (d.ravel() for d in np.meshgrid(reach, reach, indexing="ij"))
    within = dx**2 + dy**2 <= max(radius, 1.0) ** 2
    column = np.clip(((x + 1) / 2 * (size - 1)).round(), -size, 2 * size).astype(int)
    row = np.clip(((1 - y) / 2 * (size - 1)).round(), -size, 2 * size).astype(int)
    order = np.argsort(-depth, kind="stable")  # the painter's: far points first
    column = (column[order, None] + dx[within]).ravel()
    row = (row[order, None] + dy[within]).ravel()
    seen = (np.minimum(column, row) >= 0) & (np.maximum(column, row) < size)
    image = np.ones((size, size, 3))
    # Of pixels assigned more than once the last, the nearest, stays.
    image[row[seen], column[seen]] = np.repeat(colour[order], within.sum(), 0)[seen]
    return image.reshape(_SIZE, _FINER, _SIZE, _FINER, 3).mean((1, 3))
