"""MVP: each shape seen by 26 cameras around it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from nvc3d.data.pairs.base import StoredPairs, Views
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, chosen, read_from
from nvc3d.files import PathLike, hdf5

VIEWS = 26
CATEGORIES = (
    *("airplane", "cabinet", "car", "chair", "lamp", "sofa", "table", "watercraft"),
    *("bed", "bench", "bookshelf", "bus", "guitar", "motorbike", "pistol", "skateboard"),
)


class MVP(StoredPairs):
    """A file of the data set of VRCNet (Pan, Chen, Cai, Zhang, Zhao, Yi, Liu, "Variational
    Relational Point Completion Network", CVPR 2021), such as MVP_Train_CP.h5.

    The file holds `incomplete_pcds` (V, P, 3), `complete_pcds` (S, N, 3) and `labels` (V,). View i
    is of shape i // 26. It is not read as a whole.

    Args:
        path: the file.
        training: whether what is drawn is new in each epoch.
        categories: those wanted, by name; None: all.
        partial_points, complete_points, seed: see StoredPairs.

    Raises:
        MissingExtra: h5py is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is of another form, or a category is unknown.
    """

    def __init__(
        self,
        path: PathLike,
        training: bool,
        categories: Iterable[str] | None = None,
        partial_points: int = 2048,
        complete_points: int = 2048,
        seed: int = 0,
    ) -> None:
        super().__init__(partial_points, complete_points, seed, training)
        self._path = Path(path)
        labels = read_from(self._path, _labels)
        self.categories = chosen(categories, CATEGORIES, self._path)
        # By label of the file: the label among the wanted categories, or -1.
        wanted = {name: number for number, name in enumerate(self.categories)}
        table = np.array([wanted.get(name, -1) for name in CATEGORIES])
        self._rows = np.flatnonzero(table[labels] >= 0)
        self._labels = table[labels[self._rows]]
        if len(self._rows) == 0:
            raise ValueError(f"{self._path} holds no view of {', '.join(self.categories)}")

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, index: int) -> str:
        row = self._rows[index]
        return f"{self._path.stem}/{row // VIEWS}/{row % VIEWS}"

    def label(self, index: int) -> int:
        return int(self._labels[index])

    def stored(self, index: int) -> Views:
        row = int(self._rows[index])

        def read(name: str, at: int) -> np.ndarray:
            rows = read_from(self._path, lambda file: hdf5.read(file, name, slice(at, at + 1)))
            return as_cloud(self._path, rows[0])

        view = partial(read, "incomplete_pcds", row)
        return [view], partial(read, "complete_pcds", row // VIEWS)


def _labels(path: Path) -> np.ndarray:
    partial, complete = (hdf5.shape(path, name) for name in ("incomplete_pcds", "complete_pcds"))
    labels = hdf5.read(path, "labels").astype(np.int64).ravel()
    if len(partial) != 3 or len(complete) != 3 or partial[2] != 3 or complete[2] != 3:
        raise ValueError(
            "expected incomplete_pcds (V, P, 3) and complete_pcds (S, N, 3), "
            f"got {partial} and {complete}"
        )
    if not partial[0] == len(labels) == VIEWS * complete[0]:
        raise ValueError(
            f"expected {VIEWS} views and labels for each of {complete[0]} shapes, "
            f"got {partial[0]} views and {len(labels)} labels"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(CATEGORIES):
        raise ValueError(
            f"labels must be from 0 to {len(CATEGORIES) - 1}, got {labels.min()} to {labels.max()}"
        )
    return labels


def _open(root: Path, training: bool, wanted: Wanted) -> MVP:
    file = sorted(root.glob("MVP_Train_*.h5"))[0]
    if not training:
        file = file.with_name(file.name.replace("Train", "Test"))
    return MVP(file, training, None, wanted.partial_points, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="MVP",
        gives="pairs",
        told_by="`MVP_Train_*.h5`",
        holds=lambda path: any(path.glob("MVP_Train_*.h5")),
        open=_open,
        split="26 views of each shape, `MVP_Test_*.h5`",
    ),
)
