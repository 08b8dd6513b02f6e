"""Planes of a user's own: clouds and meshes whose points or faces are numbered by their planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.deal import deal
from nvc3d.data.layout import Layout
from nvc3d.data.listing import find_files
from nvc3d.data.planes.base import PlaneFrame, Planes
from nvc3d.data.registry import Wanted
from nvc3d.data.stored import read_from
from nvc3d.files import read_shape
from nvc3d.geometry.mesh import Cloud, Mesh, drawn

DRAWN = 50000
"""Points of a mesh."""


class OwnPlanes(Planes):
    """Files with a column `instance`, else `label`, of each point, -1 where it is in no plane, or
    meshes whose faces are labelled; z is up. Planes are fitted to the points of each.

    Args:
        root: the folder.
        files: those wanted.
        training: whether what is drawn is new in each epoch.
        points, seed: see Planes.
    """

    categories = ("scan",)

    def __init__(
        self,
        root: Path,
        files: list[Path],
        training: bool,
        points: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(points, seed, training)
        self._root, self._files = root, files
        first = read_from(files[0], read_shape)
        self.colors = isinstance(first, Cloud) and first.colors is not None

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        return self._files[index].relative_to(self._root).as_posix()

    def label(self, index: int) -> int:
        return 0

    def read(self, index: int) -> PlaneFrame:
        return read_from(self._files[index], self._frame)

    def _frame(self, path: Path) -> PlaneFrame:
        shape = read_shape(path)
        cloud = shape
        if isinstance(shape, Mesh):
            cloud = drawn(shape, DRAWN, np.random.default_rng(0))
        assert isinstance(cloud, Cloud)
        columns = cloud.columns
        numbers: NDArray[np.int64] | None = columns.get("instance", columns.get("label"))
        if numbers is None:
            raise ValueError("it tells no planes: expected a column instance, or label")
        if self.colors and cloud.colors is None:
            raise ValueError("it has no colours, and the first of the folder has")
        points = np.asarray(cloud.points, np.float64) * (cloud.unit or 1.0)
        return PlaneFrame.fitted(points, numbers, colors=cloud.colors if self.colors else None)


def own_planes(root: Path, wanted: Wanted) -> tuple[OwnPlanes | None, OwnPlanes]:
    """What is trained on, nothing at a holdout of 1, and what is measured on.

    Raises ValueError where the folder holds no file of a known kind, or too few to split.
    """
    files = find_files(root)
    if not files:
        raise ValueError(f"{root} holds no file of a known kind")
    names = [path.relative_to(root).as_posix() for path in files]

    def some(numbers: list[int], training: bool) -> OwnPlanes:
        chosen = [files[i] for i in numbers]
        return OwnPlanes(root, chosen, training, wanted.points, wanted.seed)

    if wanted.holdout == 1:
        return None, some(list(range(len(files))), training=False)
    parts = Layout(root, names).own_split(names)
    if parts is None:
        train, val = deal(names, wanted.seed, (1 - wanted.holdout, wanted.holdout), "scans")
        parts = train, val
    return some(parts[0], training=True), some(parts[1], training=False)
