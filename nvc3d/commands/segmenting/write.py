"""What is written of a labelled scene, a stretch at a time: it may be larger than memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from nvc3d.atomic import atomic_write
from nvc3d.commands.targets import with_end
from nvc3d.data.scenes import Scene
from nvc3d.data.scenes.scene import STRETCH, survey
from nvc3d.files.formats.ply import Stretch, write_stretches
from nvc3d.files.written import LABELS, SEGMENTED
from nvc3d.viz import draw_labelled
from nvc3d.viz.palette import label_colours

TAKEN = ("color", "label", "given_label")
"""Columns that do not go on under their own names as they are."""
DRAWN = 20000
"""Points in the picture, at most."""


def write_all(
    scene: Scene,
    labels: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
    names: Sequence[str],
    target: Path,
) -> NDArray[np.int64]:
    """Write TARGET-segmented.ply, TARGET-labels.npy and TARGET-segmented.png; gives how many points
    each label has.

    The PLY has all points of the scene where they are, with the labels and their names, and all
    else that the scene knows of its points: labels of its own as `given_label`. A scene without
    colours gets those of the labels. The NPY has the labels, (N,) int32 in the order of the points.

    Raises OSError where a file cannot be written, and what reading the scene raises.
    """
    with tempfile.TemporaryFile() as file:
        known = _Labels(file, scene.count)
        for which, values in labels:
            known.put(which, values)
        counts = np.zeros(len(names), np.int64)
        for start, stop in _stretches(scene):
            counts += np.bincount(known.read(start, stop), minlength=len(names))
        _write_npy(with_end(target, f"{LABELS}.npy"), scene, known)
        # In float64 where float32 has too few digits for them, as for whole numbers of 32 bits.
        dtype = np.result_type(scene.read(0, 1).points.dtype, np.float32)
        with atomic_write(with_end(target, f"{SEGMENTED}.ply")) as out:
            write_stretches(out, scene.count, dtype, _labelled(scene, known, len(names)), names)
        _draw(scene, known, names, with_end(target, f"{SEGMENTED}.png"))
    return counts


class _Labels:
    """Labels of the points of a scene, in a file: those of a stretch lie together, each with its
    place in it, in the order in which they came."""

    def __init__(self, file: IO[bytes], count: int) -> None:
        self._file = file
        self._row = np.dtype([("place", "<i4"), ("label", "<i4")])
        self._there = np.zeros(-(-count // STRETCH), np.int64)  # of each stretch

    def put(self, which: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        """Set those of some points; in the end each must have been set once."""
        order = np.argsort(which)
        rows = np.empty(len(which), self._row)
        rows["place"], rows["label"] = which[order] % STRETCH, values[order]
        stretches, cuts = np.unique(which[order] // STRETCH, return_index=True)
        for stretch, piece in zip(stretches.tolist(), np.split(rows, cuts[1:]), strict=True):
            first = stretch * STRETCH + int(self._there[stretch])
            self._file.seek(first * self._row.itemsize)
            self._file.write(piece.tobytes())
            self._there[stretch] += len(piece)

    def read(self, start: int, stop: int) -> NDArray[np.int32]:
        """Those of a stretch, from which to which point."""
        self._file.seek(start * self._row.itemsize)
        rows = np.frombuffer(self._file.read((stop - start) * self._row.itemsize), self._row)
        labels = np.empty(len(rows), "<i4")
        labels[rows["place"]] = rows["label"]
        return labels


def _stretches(scene: Scene) -> Iterator[tuple[int, int]]:
    for start in range(0, scene.count, STRETCH):
        yield start, min(start + STRETCH, scene.count)


def _write_npy(path: Path, scene: Scene, labels: _Labels) -> None:
    with atomic_write(path) as file:
        header = {"descr": "<i4", "fortran_order": False, "shape": (scene.count,)}
        np.lib.format.write_array_header_1_0(file, header)
        for start, stop in _stretches(scene):
            file.write(labels.read(start, stop).tobytes())


def _labelled(scene: Scene, labels: _Labels, count: int) -> Iterator[Stretch]:
    """The stretches of a scene, with all their columns and the labels found."""
    colours = label_colours(count)
    brightest = _brightest(scene)
    for start, stop in _stretches(scene):
        own = labels.read(start, stop)
        points, given = scene.read(start, stop)
        columns = {name: values for name, values in given.items() if name not in TAKEN}
        columns["color"] = colours[own] if brightest is None else given["color"]
        if brightest:
            # Rounded, so that colours once divided by 255 come back.
            columns["color"] = np.rint(given["color"] * (255 / brightest)).astype(np.uint8)
        columns["label"] = own
        if "label" in given:
            columns["given_label"] = given["label"]
        yield points, columns


def _brightest(scene: Scene) -> float | None:
    """What stands for full brightness in the colours of a scene, 1 or 255; 0 where they need no
    change, None where there are none."""
    if not scene.has_colors:
        return None
    if scene.read(0, 1).columns["color"].dtype == np.uint8:
        return 0
    return survey(scene).brightest


def _draw(scene: Scene, labels: _Labels, names: Sequence[str], path: Path) -> None:
    share = min(1.0, DRAWN / scene.count)
    # Not a seed that anybody takes: numbers from the one that made the scene would choose points of
    # one surface.
    rng = np.random.default_rng([20000, scene.count, 271828])
    points, own = [], []
    for start, stop in _stretches(scene):
        some = np.flatnonzero(rng.random(stop - start) < share)
        points.append(np.asarray(scene.read(start, stop).points[some], np.float64))
        own.append(labels.read(start, stop)[some])
    draw_labelled(path, np.concatenate(points), np.concatenate(own), names)
