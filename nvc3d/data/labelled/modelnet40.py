"""ModelNet40: shapes to be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.labelled import hdf5_list
from nvc3d.data.labelled.base import Labelled, LabelledClouds
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, read_from, require_split
from nvc3d.files import PathLike, hdf5

SPLITS = ("train", "test")


class ModelNet40(LabelledClouds):
    """The data set of Wu et al., "3D ShapeNets: A Deep Representation for Volumetric Shapes", CVPR
    2015, as PointNet's authors sampled it. Files are kept once read, 300 MB in all.

        shape_names.txt                     the 40 categories, a line each
        train_files.txt, test_files.txt     names of files, a line each
        ply_data_*.h5                       `data` (S, 2048, 3), `label` (S, 1)

    Args:
        root: the folder.
        split: "train" or "test".
        points, seed: see LabelledClouds.

    Raises:
        MissingExtra: h5py is not installed.
        FileNotFoundError: a list or a file that it names is missing.
        ValueError: a split unknown, or files of another form.
    """

    axes = (2, 0, 1)

    def __init__(
        self, root: PathLike, split: str, points: int | None = 1024, seed: int = 0
    ) -> None:
        super().__init__(points, seed, split == "train")
        require_split(split, SPLITS)
        names = Path(root) / "shape_names.txt"
        self.categories = tuple(read_from(names, lambda path: path.read_text().split()))
        files = hdf5_list.listed(Path(root) / f"{split}_files.txt")
        self._rows = hdf5_list.rows(files, self.categories, ())
        self._data: dict[Path, NDArray] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, index: int) -> str:
        return self._rows[index].name

    def label(self, index: int) -> int:
        return self._rows[index].label

    def load(self, index: int, rng: np.random.Generator) -> Labelled:
        row = self._rows[index]
        # Packed many together: read one by one, a shape takes fifty times as long.
        if row.path not in self._data:
            self._data[row.path] = read_from(row.path, lambda path: hdf5.read(path, "data"))
        return Labelled(as_cloud(row.path, self._data[row.path][row.row]))


STORED = 2048
"""Points that are stored of each shape."""


def _open(root: Path, training: bool, wanted: Wanted) -> ModelNet40:
    return ModelNet40(root, "train" if training else "test", STORED, wanted.seed)


DATA_SETS = (
    DataSet(
        name="ModelNet40, HDF5",
        gives="shapes",
        told_by="`shape_names.txt`, `train_files.txt`",
        holds=lambda path: all(
            (path / f"{name}.txt").is_file() for name in ("shape_names", "train_files")
        ),
        open=_open,
        split="`train`, `test`",
        labels="40 categories",
    ),
)
