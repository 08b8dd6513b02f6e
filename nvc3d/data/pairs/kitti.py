"""KITTI's cars: what a laser scanner sees of them from the road."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, present, read_from
from nvc3d.files import PathLike
from nvc3d.files.formats import pcd


@dataclass(frozen=True)
class Car:
    """A car as it was seen, in the frame of its bounding box, and the way back."""

    name: str
    points: NDArray[np.float32]
    """(N, 3): x along the car, whose length is 1, y up, z to its side."""
    centre: NDArray[np.float64]
    """(3,) of the box, in the scan."""
    rotation: NDArray[np.float64]
    """(3, 3) from the scan's axes to the car's: points @ rotation."""
    length: float
    """In the scan's units, metres."""

    def to_scan(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (N, 3) of the car's frame, back in the scan."""
        upright = np.asarray(points, np.float64)[:, [0, 2, 1]]
        back: NDArray[np.float64] = upright * self.length @ self.rotation.T + self.centre
        return back


class KittiCars(Sequence[Car]):
    """The cars that PCN's authors cut out of KITTI's scans by their annotated boxes.

        cars/<name>.pcd       the points in a box
        bboxes/<name>.txt     its 8 corners
        tracklets/<id>.txt    names of one car in frames that follow one another

    There is no truth to compare with. What is measured is fidelity, consistency and minimal
    matching distance (`nvc3d.metrics`).

    Args:
        root: the folder.

    Raises:
        ValueError: it holds no cars, or none with a box.
    """

    def __init__(self, root: PathLike) -> None:
        self._cars, self._boxes = Path(root) / "cars", Path(root) / "bboxes"
        names = sorted(path.stem for path in self._cars.glob("*.pcd"))
        if not names:
            raise ValueError(f"{self._cars} holds no .pcd files")
        self.names = tuple(
            present(self._cars, names, lambda name: (self._boxes / f"{name}.txt").is_file())
        )
        known = set(self.names)
        self.tracklets = tuple(
            tuple(name for name in path.read_text().split() if name in known)
            for path in sorted((Path(root) / "tracklets").glob("*.txt"))
        )
        """The names of each tracklet, in the order of its frames."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Car:  # type: ignore[override]
        """Raises ValueError or OSError, naming the file, where a file cannot be used."""
        name = self.names[operator.index(index)]
        path, box_path = self._cars / f"{name}.pcd", self._boxes / f"{name}.txt"
        points = as_cloud(path, read_from(path, pcd.read).points).astype(np.float64)
        corners = read_from(box_path, _corners)  # (8, 3)
        centre = (corners.min(0) + corners.max(0)) / 2
        along = corners[3, :2] - corners[0, :2]  # from back to front
        cosine, sine = along / np.linalg.norm(along)
        rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        placed = (corners - centre) @ rotation
        length = float(placed[3, 0] - placed[0, 0])
        seen = ((points - centre) @ rotation / length)[:, [0, 2, 1]]
        return Car(name, np.ascontiguousarray(seen, np.float32), centre, rotation, length)


def holds_cars(root: PathLike) -> bool:
    """Whether a folder has the layout of `KittiCars`."""
    return (Path(root) / "cars").is_dir() and (Path(root) / "bboxes").is_dir()


def _corners(path: Path) -> NDArray[np.float64]:
    corners = np.loadtxt(path, ndmin=2)
    if corners.shape != (8, 3) or not np.isfinite(corners).all():
        raise ValueError(f"expected 8 corners (8, 3), got {corners.shape}")
    if not np.linalg.norm(corners[3, :2] - corners[0, :2]) > 0:
        raise ValueError("the box has no length")
    return corners


def _open(root: Path, training: bool, wanted: Wanted) -> KittiCars:
    raise ValueError(
        f"{root} holds KITTI's cars, whose complete clouds nobody knows: "
        "measure a trained model on them (nvc3d eval)"
    )


DATA_SETS = (
    DataSet(
        name="KITTI's cars",
        gives="cars",
        told_by="`cars/`, `bboxes/`",
        holds=holds_cars,
        open=_open,
        split="never; `nvc3d eval --data` only",
    ),
)
