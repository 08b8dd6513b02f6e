"""What is written of a labelled scene, a stretch at a time: it may be larger than memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.formats.atomic import atomic_write
from nvc3d.data.formats.ply import Stretch, write_stretches
from nvc3d.data.scenes import Scene
from nvc3d.data.scenes.scene import STRETCH
from nvc3d.viz import draw_labelled
from nvc3d.viz.palette import label_colours

DRAWN = 20000
"""Points in the picture, at most."""


def write_all(
    scene: Scene,
    labels: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
    names: Sequence[str],
    target: Path,
) -> NDArray[np.int64]:
    """Write TARGET-segmented.ply, with all points of the scene where they are, their labels, and
    the labels as colours; TARGET-labels.npy, (N,) int32 in the order of the points; and
    TARGET-segmented.png. Gives how many points each label has.

    Raises OSError where a file cannot be written, and what reading the scene raises.
    """
    with tempfile.TemporaryFile() as file:
        known = np.memmap(file, np.int32, "w+", shape=(scene.count,))
        for which, values in labels:
            known[which] = values
        counts = np.zeros(len(names), np.int64)
        for start, stop in _stretches(scene):
            counts += np.bincount(known[start:stop], minlength=len(names))
        _write_npy(target.with_name(f"{target.name}-labels.npy"), known)
        dtype = scene.read(0, 1).points.dtype
        dtype = np.dtype(np.float64 if dtype.itemsize > 4 else np.float32)
        with atomic_write(target.with_name(f"{target.name}-segmented.ply")) as out:
            write_stretches(out, scene.count, dtype, _coloured(scene, known, len(names)))
        _draw(scene, known, names, target.with_name(f"{target.name}-segmented.png"))
    return counts


def _stretches(scene: Scene) -> Iterator[tuple[int, int]]:
    for start in range(0, scene.count, STRETCH):
        yield start, min(start + STRETCH, scene.count)


def _write_npy(path: Path, labels: NDArray[np.int32]) -> None:
    with atomic_write(path) as file:
        header = {"descr": "<i4", "fortran_order": False, "shape": labels.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(labels), STRETCH):
            file.write(labels[start : start + STRETCH].astype("<i4").tobytes())


def _coloured(scene: Scene, labels: NDArray[np.int32], count: int) -> Iterator[Stretch]:
    colours = label_colours(count)
    for start, stop in _stretches(scene):
        own = np.asarray(labels[start:stop])
        yield scene.read(start, stop).points, colours[own], own


def _draw(scene: Scene, labels: NDArray[np.int32], names: Sequence[str], path: Path) -> None:
    share = min(1.0, DRAWN / scene.count)
    # Not a seed that anybody takes: numbers from the one that made the scene would choose points of
    # one surface.
    rng = np.random.default_rng([20000, scene.count, 271828])
    points, own = [], []
    for start, stop in _stretches(scene):
        some = np.flatnonzero(rng.random(stop - start) < share)
        points.append(np.asarray(scene.read(start, stop).points[some], np.float64))
        own.append(np.asarray(labels[start:stop][some]))
    if not sum(map(len, own)):  # a scene of a point or two
        points, own = [scene.read(0, scene.count).points], [np.asarray(labels)]
    draw_labelled(path, np.concatenate(points), np.concatenate(own), names)
