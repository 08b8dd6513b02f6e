"""ShapeNetPart as PointNet's authors sampled it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nvc3d.data.labelled import hdf5_list
from nvc3d.data.labelled.base import Labelled, LabelledClouds
from nvc3d.data.labelled.shapenetpart import PART_NAMES, PARTS, require_parts
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, require_split
from nvc3d.files import PathLike

SPLITS = ("train", "val", "test")


class PartFiles(LabelledClouds):
    """ShapeNetPart in HDF5 files, without normals.

        <split>_hdf5_file_list.txt      names of files, a line each
        ply_data_*.h5                   `data` (S, 2048, 3), `label` (S, 1), `pid` (S, 2048)

    Args:
        root: the folder.
        split: "train", "val" or "test".
        points, seed: see LabelledClouds.

    Raises:
        MissingExtra: h5py is not installed.
        FileNotFoundError: a list or a file that it names is missing.
        ValueError: a split unknown, or files of another form.
    """

    axes = (2, 0, 1)
    categories = tuple(PARTS)
    part_names = PART_NAMES

    def __init__(self, root: PathLike, split: str, points: int = 2048, seed: int = 0) -> None:
        super().__init__(points, seed, split == "train")
        require_split(split, SPLITS)
        files = hdf5_list.listed(Path(root) / f"{split}_hdf5_file_list.txt")
        self._rows = hdf5_list.rows(files, self.categories, ("pid",))

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, index: int) -> str:
        return self._rows[index].name

    def label(self, index: int) -> int:
        return self._rows[index].label

    def parts_of(self, category: str) -> tuple[int, ...]:
        return PARTS[category]

    def load(self, index: int, rng: np.random.Generator) -> Labelled:
        row = self._rows[index]
        parts = row.read("pid").astype(np.int64)
        require_parts(f"{row.path}, shape {row.row}", parts, self.categories[row.label])
        return Labelled(as_cloud(row.path, row.read("data")), None, parts)


def _open(root: Path, training: bool, wanted: Wanted) -> PartFiles:
    return PartFiles(root, "train" if training else "test", wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="ShapeNetPart, HDF5",
        gives="parts",
        told_by="`train_hdf5_file_list.txt`",
        holds=lambda path: (path / "train_hdf5_file_list.txt").is_file(),
        open=_open,
        split="`train`, `test`",
        labels="50 parts of 16 categories",
    ),
)
