"""From the points of a room to its faces and a floor plan: `python floor_plan.py --output out`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import nvc3d

# Sides of an L-shaped room: a corner, two sides, and an opening: from, to along each of them.
SIDES = [
    ((0, 0, 0), (5, 0, 0), (0, 4, 0), (3, 5, 2.5, 4)),  # the floor
    ((0, 0, 2.5), (5, 0, 0), (0, 4, 0), (3, 5, 2.5, 4)),  # the ceiling
    ((0, 0, 0), (5, 0, 0), (0, 0, 2.5), (1, 2, 0, 2)),  # with a door
    ((0, 0, 0), (0, 4, 0), (0, 0, 2.5), (1.2, 2.6, 0.9, 2.1)),  # with a window
    ((5, 0, 0), (0, 2.5, 0), (0, 0, 2.5), None),
    ((3, 2.5, 0), (2, 0, 0), (0, 0, 2.5), None),
    ((3, 2.5, 0), (0, 1.5, 0), (0, 0, 2.5), None),
    ((0, 4, 0), (3, 0, 0), (0, 0, 2.5), None),
    ((3.2, 0.6, 0.75), (1.4, 0, 0), (0, 0.8, 0), None),  # a table
]


def scan(noise: float = 0.004) -> np.ndarray:
    """Points (N, 3) in metres, 1,500 of a square metre, as a scanner has them."""
    rng = np.random.default_rng(0)
    sides = []
    for corner, one, other, opening in SIDES:
        length, height = np.linalg.norm(one), np.linalg.norm(other)
        u, v = rng.random((2, int(1500 * length * height), 1)) * [[[length]], [[height]]]
        points = np.array(corner) + u * one / length + v * other / height
        if opening is not None:
            left, right, low, high = opening
            points = points[~((left < u) & (u < right) & (low < v) & (v < high))[:, 0]]
        sides.append(points)
    points = np.concatenate(sides)
    return points + rng.normal(0, noise, points.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("."))
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)

    found = nvc3d.reconstruct_planes(scan())  # also a Cloud, a Mesh, or one of Open3D or trimesh
    for normal, offset, outline in zip(
        found.planes.normal, found.planes.offset, found.outlines, strict=True
    ):
        print(f"{normal.round(3) + 0.0} · x = {offset:.3f}, {outline.area:.2f} m²")
    found.write(folder / "room")  # room.json, .ply, .glb, .svg, .png


if __name__ == "__main__":
    main()
