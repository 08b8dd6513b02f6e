"""Folders of a few small items, laid out as the real data sets of the study are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.labelled.sydney import RECORD


def write_all(root: Path) -> None:
    """Write one of each set, under the name by which the study asks for it."""
    rng = np.random.default_rng(0)
    _categories(root / "modelnet10_1024", rng)
    _streets(root / "sydney_urban", rng)
    _tables(root / "mosd_tabletop", rng)
    _frames(root / "semantickitti", rng)
    _grids(root / "modelnet10_voxels", rng)
    _objects(root / "ycb_points", rng)


def _box(count: int, sides: tuple[float, float, float], rng: np.random.Generator) -> NDArray:
    return rng.random((count, 3)) * sides


def _categories(root: Path, rng: np.random.Generator) -> None:
    for category, sides in (("bed", (2, 2, 0.2)), ("lamp", (0.2, 0.2, 2)), ("box", (1, 1, 1))):
        folder = root / category / "train"
        folder.mkdir(parents=True)
        for number in range(5):
            np.save(folder / f"{category}_{number}.npy", _box(200, sides, rng).astype(np.float32))


def _streets(root: Path, rng: np.random.Generator) -> None:
    (root / "folds").mkdir(parents=True)
    (root / "objects").mkdir()
    for fold in range(3):
        names = [f"{kind}.{fold}.{number}.bin" for kind in ("car", "tree") for number in range(3)]
        (root / "folds" / f"fold{fold}.txt").write_text("\n".join(names))
        for name in names:
            records = np.zeros(60, RECORD)
            records["point"] = _box(60, (4, 2, 1) if name.startswith("car") else (1, 1, 6), rng)
            (root / "objects" / name).write_bytes(records.tobytes())


def _tables(root: Path, rng: np.random.Generator) -> None:
    (root / "learn").mkdir(parents=True)
    for number in range(3):
        points = _box(900, (1, 0.02, 1), rng) + np.array([0, 0.4, 1])
        points[300:] = _box(600, (0.2, 0.2, 0.2), rng) + np.array([0.4, 0.2, 1.4])
        rows = zip(np.repeat([0, 1, 20], 300), points, rng.integers(0, 2**24, 900), strict=True)
        lines = [f"{label} {x:.4f} {y:.4f} {z:.4f} {color}" for label, (x, y, z), color in rows]
        head = ["VERSION 0.7", "FIELDS label x y z rgba", "SIZE 4 4 4 4 4", "TYPE U F F F U"]
        head += ["COUNT 1 1 1 1 1", "WIDTH 900", "HEIGHT 1", "POINTS 900", "DATA ascii"]
        (root / "learn" / f"learn{number}.pcd").write_text("\n".join([*head, *lines, ""]))


def _frames(root: Path, rng: np.random.Generator) -> None:
    sequence = root / "sequences" / "00"
    for folder in ("velodyne", "labels"):
        (sequence / folder).mkdir(parents=True)
    for number in (0, 12, 24):
        points = _box(1500, (30, 30, 0.1), rng) - np.array([15, 15, 1.7])
        points[:500, 2] += rng.random(500) * 3
        labels = np.where(np.arange(1500) < 500, 50, 40).astype(np.uint32)  # building, road
        rows = np.concatenate([points, rng.random((1500, 1))], 1).astype(np.float32)
        rows.tofile(sequence / "velodyne" / f"{number:06d}.bin")
        (labels | 7 << 16).tofile(sequence / "labels" / f"{number:06d}.label")


def _grids(root: Path, rng: np.random.Generator) -> None:
    root.mkdir()
    grids = np.zeros((9, 32, 32, 32), bool)
    for grid in grids[1:]:  # the first is empty, as it is there
        low, high = rng.integers(4, 12, 3), rng.integers(16, 28, 3)
        grid[tuple(slice(*ends) for ends in zip(low, high, strict=True))] = True
    np.savez_compressed(root / "chair.npz", voxels=grids)


def _objects(root: Path, rng: np.random.Generator) -> None:
    for number in range(3):
        folder = root / "models" / f"00{number}_thing"
        folder.mkdir(parents=True)
        np.savetxt(folder / "points.xyz", _box(700, (0.1, 0.1, 0.1 + 0.1 * number), rng), "%.6f")
