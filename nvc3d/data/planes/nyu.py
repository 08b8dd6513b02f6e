"""NYU Depth V2: real rooms with depth and labelled things, whose planes nobody tells."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.deal import deal
from nvc3d.data.planes.base import PlaneFrame, Planes
from nvc3d.data.planes.images import UPRIGHT
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from
from nvc3d.files import PathLike, hdf5, matlab
from nvc3d.geometry.intrinsics import Intrinsics
from nvc3d.geometry.planes import find_planes

FILE, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"
CAMERA = Intrinsics(518.857901, 519.469611, 325.582449, 253.736166, 640, 480)
"""Of the colours, to which the depth is aligned."""
FRAMED = (40, 44, 601, 471)
"""The columns and rows, from and to, within the white frame of the images."""
STEP = 4
"""Of the pixels of a row, and of the rows, so many times fewer are looked at."""
LEAST = 40
"""Points of a plane, of those."""


class NYUDepth(Planes):
    """The labelled frames of Silberman, Hoiem, Kohli, Fergus, "Indoor Segmentation and Support
    Inference from RGBD Images", ECCV 2012.

        nyu_depth_v2_labeled.mat    depths (N, 640, 480) in metres, images (N, 3, 640, 480), labels
                                    and instances (N, 640, 480)
        splits.mat                  trainNdxs, testNdxs, from 1 on

    Nobody tells the planes: they are those that `find_planes` finds, cut where one labelled thing
    ends and another begins, so that a door in a wall is a plane of its own.

    Args:
        root: the folder.
        numbers: of the frames that are wanted, from 0 on.
        training: whether what is drawn is new in each epoch.
        points, seed: see Planes.
    """

    categories, colors = ("NYU",), True

    def __init__(
        self,
        root: PathLike,
        numbers: NDArray[np.int64],
        training: bool,
        points: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(points, seed, training)
        self._path, self._numbers = Path(root) / FILE, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def name(self, index: int) -> str:
        return f"{int(self._numbers[index]) + 1:04d}"

    def label(self, index: int) -> int:
        return 0

    def read(self, index: int) -> PlaneFrame:
        return read_from(self._path, partial(_frame, number=int(self._numbers[index])))


def _frame(path: Path, number: int) -> PlaneFrame:
    left, top, right, bottom = FRAMED
    depth = hdf5.read(path, "depths", number).T[top:bottom, left:right]
    image = hdf5.read(path, "images", number).transpose(2, 1, 0)[top:bottom, left:right]
    label, thing = (
        hdf5.read(path, name, number).T[top:bottom, left:right].astype(np.int64)
        for name in ("labels", "instances")
    )
    camera = CAMERA.part(*FRAMED)
    sparse = np.zeros_like(depth)
    sparse[::STEP, ::STEP] = depth[::STEP, ::STEP]
    cloud = camera.points(sparse)
    u, v = cloud.columns["pixel"].T
    points = np.asarray(cloud.points, np.float64) @ UPRIGHT.T
    plane = find_planes(points, least_points=LEAST).instance
    which = (plane * 2**32 + label[v, u] * 2**16 + thing[v, u])[plane >= 0]
    own = np.full(len(points), -1)
    _, pieces, sizes = np.unique(which, return_inverse=True, return_counts=True)
    own[plane >= 0] = np.where(sizes[pieces] >= LEAST, pieces, -1)
    colors = image[v, u].astype(np.uint8)
    return PlaneFrame.fitted(points, own, colors=colors, depth=depth, camera=camera)


def _open(root: Path, training: bool, wanted: Wanted) -> NYUDepth:
    count = read_from(root / FILE, partial(hdf5.shape, name="depths"))[0]
    splits = root / SPLITS
    if splits.is_file():
        name = "trainNdxs" if training else "testNdxs"
        numbers = read_from(splits, partial(matlab.read, name=name)).ravel().astype(np.int64) - 1
        if len(numbers) == 0 or numbers.min() < 0 or numbers.max() >= count:
            raise ValueError(f"{splits}: {name} must be from 1 to {count}")
    elif wanted.holdout == 1:
        numbers = np.arange(count)
    else:
        names = [f"{number:04d}" for number in range(count)]
        parts = deal(names, wanted.seed, (1 - wanted.holdout, wanted.holdout), "frames")
        numbers = np.array(parts[0 if training else 1])
    return NYUDepth(root, numbers, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="NYU Depth V2",
        gives="planes",
        told_by="`nyu_depth_v2_labeled.mat`",
        holds=lambda path: (path / FILE).is_file(),
        open=_open,
        split="`splits.mat`; `--holdout` without",
        labels="planes found in the depth, cut by labels",
    ),
)
