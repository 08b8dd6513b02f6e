"""ScanObjectNN: things cut out of scans of real rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.labelled import hdf5_list
from nvc3d.data.labelled.base import Labelled, LabelledClouds
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, read_from
from nvc3d.files import PathLike, hdf5

CATEGORIES = (
    *("bag", "bin", "box", "cabinet", "chair", "desk", "display", "door"),
    *("shelf", "table", "bed", "pillow", "sink", "sofa", "toilet"),
)
_TRAIN, _TEST = "training_objectdataset", "test_objectdataset"


class ScanObjectNN(LabelledClouds):
    """A file of the data set of Uy, Pham, Hua, Nguyen, Yeung, "Revisiting Point Cloud
    Classification: A New Benchmark Dataset and Classification Model on Real-World Data", ICCV 2019.

        main_split[_nobg]/training_objectdataset*.h5    `data` (S, 2048, 3), `label` (S,)
        main_split[_nobg]/test_objectdataset*.h5        the same

    What is around a thing belongs to it in `main_split`, and is cut off in `main_split_nobg`. Files
    are kept once read.

    Args:
        path: the file.
        training: whether what is drawn is new in each epoch.
        points, seed: see LabelledClouds.

    Raises:
        MissingExtra: h5py is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is of another form.
    """

    axes = (2, 0, 1)
    categories = CATEGORIES

    def __init__(
        self, path: PathLike, training: bool, points: int | None = 1024, seed: int = 0
    ) -> None:
        super().__init__(points, seed, training)
        self._rows = hdf5_list.rows([Path(path)], CATEGORIES, ())
        self._data: NDArray | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, index: int) -> str:
        return self._rows[index].name

    def label(self, index: int) -> int:
        return self._rows[index].label

    def load(self, index: int, rng: np.random.Generator) -> Labelled:
        row = self._rows[index]
        if self._data is None:
            self._data = read_from(row.path, lambda path: hdf5.read(path, "data"))
        return Labelled(as_cloud(row.path, self._data[row.row]))


def _training_file(path: Path) -> Path:
    """The file to train on: the one that is given, or in a folder that without augmentation.

    Raises ValueError where a folder has several others.
    """
    if path.is_file():
        return path
    files = sorted(path.glob(f"{_TRAIN}*.h5"))
    plain = path / f"{_TRAIN}.h5"
    if plain in files or len(files) == 1:
        return plain if plain in files else files[0]
    names = ", ".join(file.name for file in files)
    raise ValueError(f"{path} holds several versions of ScanObjectNN: give one of them, {names}")


def _holds(path: Path) -> bool:
    if path.is_file():
        return path.suffix == ".h5" and path.name.startswith(_TRAIN)
    return any(path.glob(f"{_TRAIN}*.h5"))


def _open(root: Path, training: bool, wanted: Wanted) -> ScanObjectNN:
    file = _training_file(root)
    if not training:
        file = file.with_name(file.name.replace(_TRAIN, _TEST))
    return ScanObjectNN(file, training, None, wanted.seed)


DATA_SETS = (
    DataSet(
        name="ScanObjectNN",
        gives="shapes",
        told_by="`training_objectdataset*.h5`; of several versions in a folder the plain one, or "
        "give the file",
        holds=_holds,
        open=_open,
        split="`training_*`, `test_*`",
        labels="15 categories",
    ),
)
