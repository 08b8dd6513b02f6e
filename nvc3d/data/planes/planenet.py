"""PlaneNet: planes of ScanNet in TensorFlow's records."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.planes.base import PlaneFrame, Planes
from nvc3d.data.planes.planar_reconstruction import frame_of_arrays
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from
from nvc3d.files import PathLike
from nvc3d.files.tfrecord import example, read_record, record_places

FILE = "planes_scannet_{}.tfrecords"


class PlaneNet(Planes):
    """The records of Liu, Yang, Ceylan, Yumer, Furukawa, "PlaneNet: Piece-wise Planar
    Reconstruction from a Single RGB Image", CVPR 2018.

        planes_scannet_train.tfrecords    image_raw (192, 256, 3) blue first, depth in metres,
        planes_scannet_val.tfrecords      segmentation_raw, 20 for none, num_planes, plane (20, 3)
                                          as n·d, x right, y forward, z up, info: the camera

    Args:
        path: of a file.
        training: whether what is drawn is new in each epoch.
        points, seed: see Planes.

    Raises ValueError on a file that is cut short, or lies about the lengths of its records.
    """

    colors = True

    def __init__(self, path: PathLike, training: bool, points: int = 1024, seed: int = 0) -> None:
        super().__init__(points, seed, training)
        self._path, self.categories = Path(path), ("ScanNet",)
        self._places = read_from(self._path, record_places)

    def __len__(self) -> int:
        return len(self._places)

    def name(self, index: int) -> str:
        return f"{self._path.stem}-{index:05d}"

    def label(self, index: int) -> int:
        return 0

    def read(self, index: int) -> PlaneFrame:
        return read_from(self._path, partial(_frame, place=self._places[index]))


def _frame(path: Path, place: tuple[int, int]) -> PlaneFrame:
    values = example(read_record(path, place))
    arrays: dict[str, NDArray] = {}
    for name in ("image_raw", "segmentation_raw", "depth", "num_planes", "plane", "info"):
        value = values.get(name)
        if value is None or not len(value):
            raise ValueError(f"a record has no {name}, but {', '.join(values)}")
        raw = np.frombuffer(value[0], np.uint8) if isinstance(value, list) else value
        arrays[name.removesuffix("_raw")] = raw
    return frame_of_arrays(arrays, int(arrays["num_planes"][0]))


def _holds(path: Path) -> bool:
    return any((path / FILE.format(split)).is_file() for split in ("train", "val"))


def _open(root: Path, training: bool, wanted: Wanted) -> PlaneNet:
    path = root / FILE.format("train" if training else "val")
    return PlaneNet(path, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="PlaneNet",
        gives="planes",
        told_by="`planes_scannet_train.tfrecords` or `planes_scannet_val.tfrecords`",
        holds=_holds,
        open=_open,
        split="`train`, `val`",
        labels="up to 20 planes",
    ),
)
