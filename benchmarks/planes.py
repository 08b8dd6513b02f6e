"""The planes of built-in rooms, by nvc3d and by what is installed of Open3D and pyransac3d.

    python benchmarks/planes.py [--rooms 5] [--points 30000] [--noise 0 0.01 0.02]

Every room is scanned anew, with noise in every coordinate, in metres; where there is noise there
are holes and strewn points too. Its true planes are the flat faces of its mesh that hang together,
with at least 100 points and nowhere mostly narrower than three spacings of them: what is, as the
bars of a bed, tells no slant. Faces that lie flush and nearer to one another than their points are
one. "Large" are those with at least a 300th of a room's points, which are the same at any number.
Each contender is called as its documentation shows, with one set of parameters for all rooms; those
that find one plane at a time are called until one has fewer than 100 points, 60 times at most.
Times are CPU times of one call.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from real_study.report import table
from results import write_between

from nvc3d import ops
from nvc3d.geometry import Mesh, find_planes
from nvc3d.metrics import PlaneRecall, plane_agreement, plane_recall_by_depth, pooled_recall
from nvc3d.shapes.rooms import make_room

LEAST = 100
NARROW, AROUND = 3.0, 24
"""Spacings across the neighbours of a point on its face, as many as these, below which it is in a
sliver."""
LARGE = 1 / 300
HOLES, HOLE = 8, 0.3
"""Of a room that has some, and their radius in metres."""
MOST = 60
SAME = 1e-4
"""Normals and offsets are of one plane that are in one cell of this size, or in one between."""
OFF = 0.05
"""How far, in metres, a plane may be from the true one to be found."""


class Answer(NamedTuple):
    instance: NDArray[np.int64]  # (N,)
    normal: NDArray[np.float64]  # (P, 3)
    offset: NDArray[np.float64]  # (P,)


class Scan(NamedTuple):
    points: NDArray[np.float64]  # (N, 3), without noise
    plane: NDArray[np.int64]  # (N,): the true one, -1 for none


def scan(mesh: Mesh, count: int, seed: int, worn: bool = False) -> Scan:
    """Even points of a mesh and their true planes; `worn`: with holes and a twentieth strewn."""
    rng = np.random.default_rng(seed)
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = rng.choice(len(area), count, p=area / area.sum())
    u, v = np.sqrt(rng.random(count))[:, None], rng.random(count)[:, None]
    points = (1 - u) * a[face] + u * (1 - v) * b[face] + u * v * c[face]
    spacing = float(np.sqrt(area.sum() / 2 / count))
    plane = flush(points, flat_faces(mesh)[face], supporting(mesh)[face], 2 * spacing)
    if worn:
        middles = points[rng.choice(count, HOLES)]
        kept = np.linalg.norm(points[:, None] - middles, axis=2).min(1) > HOLE
        strewn = rng.uniform(points.min(0), points.max(0), (count // 20, 3))
        points = np.concatenate([points[kept], strewn])
        plane = np.concatenate([plane[kept], np.full(len(strewn), -1)])
    counts = np.zeros(plane.max() + 2, bool)  # the last of none
    counts[:-1] = [across(own) >= NARROW * spacing for own in parts(points, plane)]
    return Scan(points, np.where(counts[plane], plane, -1))


def parts(points: NDArray[np.float64], plane: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    """The points of every plane, of number 0 and on."""
    order = plane.argsort(kind="stable")
    starts = np.searchsorted(plane[order], np.arange(plane.max() + 1))
    yield from np.split(points[order], starts)[1:]


def across(own: NDArray[np.float64]) -> float:
    """How wide a face is around most of its points (n, 3): 0 where they are too few to count."""
    if len(own) < LEAST:
        return 0
    cloud = torch.from_numpy(own)
    some = cloud[:: len(own) // 500 + 1]
    index = ops.knn(some[None], cloud[None], AROUND).index[0]
    return float((12 * ops.local_planes(cloud, index)[1][:, 1]).sqrt().median())


def flush(
    points: NDArray[np.float64], plane: NDArray[np.int64], on: NDArray[np.int64], near: float
) -> NDArray[np.int64]:
    """Planes (N,) of points, of which those that lie on one plane in space (N,) and have points
    nearer to one another than `near` are one."""
    number = np.arange(plane.max() + 1)
    for own in np.unique(on):
        here = np.flatnonzero(on == own)
        if len(np.unique(plane[here])) < 2:
            continue
        cloud = torch.from_numpy(points[here])[None]
        squared, index = ops.knn(cloud, cloud, min(12, len(here)))
        one, which = np.nonzero(squared[0].numpy() < near**2)
        for low, high in np.unique(
            np.sort(plane[here[np.stack([one, index[0].numpy()[one, which]])]], 0), axis=1
        ).T:
            number[number == number[high]] = number[low]
    return number[plane]


def supporting(mesh: Mesh) -> NDArray[np.int64]:
    """For every triangle (F,) the plane in space that it lies on."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-300)
    sign = np.take_along_axis(normal, np.abs(normal).round(6).argmax(1)[:, None], 1)
    normal *= np.where(sign < 0, -1, 1)
    values = np.hstack([normal, (normal * a).sum(1, keepdims=True)]) / SAME
    cells = [np.unique(np.floor(values + at), axis=0, return_inverse=True)[1] for at in (0, 0.5)]
    return linked(np.stack([cells[0].ravel(), cells[1].ravel() + len(values)], 1))


def flat_faces(mesh: Mesh) -> NDArray[np.int64]:
    """For every triangle (F,) the flat face that it is part of: triangles that share a corner and
    lie on one plane."""
    corner = np.unique(np.round(mesh.vertices, 6), axis=0, return_inverse=True)[1]
    keys = np.stack([np.repeat(supporting(mesh), 3), corner.ravel()[mesh.faces].ravel()], 1)
    return linked(np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1, 3))


def linked(node: NDArray[np.int64]) -> NDArray[np.int64]:
    """The groups (F,) of what shares nodes (F, K) with others, directly or by way of more."""
    group = np.arange(len(node))
    while True:
        least = np.full(node.max() + 1, len(node))
        np.minimum.at(least, node.ravel(), np.repeat(group, node.shape[1]))
        joined = least[node].min(1)
        if np.array_equal(joined, group):
            return np.unique(group, return_inverse=True)[1]
        group = joined


def nvc3d(points: NDArray[np.float64], noise: float) -> Answer:
    found = find_planes(points)
    return Answer(found.instance, found.normal, found.offset)


def open3d_patches(points: NDArray[np.float64], noise: float) -> Answer:
    """The parameters of Open3D's tutorial; each point goes to the first patch that has it."""
    import open3d

    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    search = open3d.geometry.KDTreeSearchParamKNN(knn=30)
    cloud.estimate_normals(search)
    patches = cloud.detect_planar_patches(
        normal_variance_threshold_deg=60,
        coplanarity_deg=75,
        outlier_ratio=0.75,
        min_plane_edge_length=0,
        min_num_points=0,
        search_param=search,
    )
    instance = np.full(len(points), -1)
    normal, offset = np.zeros((len(patches), 3)), np.zeros(len(patches))
    for number, patch in enumerate(patches):
        inside = np.array(patch.get_point_indices_within_bounding_box(cloud.points), np.int64)
        axis = np.asarray(patch.R)[:, 2]
        normal[number], offset[number] = axis, axis @ patch.center
        instance[inside[instance[inside] < 0]] = number
    return Answer(instance, normal, offset)


def one_by_one(
    points: NDArray[np.float64],
    find: Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.int64]]],
) -> Answer:
    """The greatest plane, then that of what is left, and so on: equations (4,) and inliers."""
    instance = np.full(len(points), -1)
    equations: list[NDArray[np.float64]] = []
    left = np.arange(len(points))
    while len(equations) < MOST and len(left) >= LEAST:
        equation, inliers = find(points[left])
        if len(inliers) < LEAST:
            break
        instance[left[inliers]] = len(equations)
        equations.append(equation / np.linalg.norm(equation[:3]))
        left = np.delete(left, inliers)
    planes = np.array(equations).reshape(-1, 4)
    return Answer(instance, planes[:, :3], -planes[:, 3])


def open3d_ransac(points: NDArray[np.float64], noise: float) -> Answer:
    import open3d

    open3d.utility.random.seed(0)

    def find(left: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(left))
        plane, inliers = cloud.segment_plane(max(3 * noise, 0.01), ransac_n=3, num_iterations=1000)
        return np.asarray(plane), np.asarray(inliers, np.int64)

    return one_by_one(points, find)


def pyransac3d(points: NDArray[np.float64], noise: float) -> Answer:
    import random

    from pyransac3d import Plane

    random.seed(0)

    def find(left: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        plane, inliers = Plane().fit(left, thresh=max(3 * noise, 0.01), maxIteration=1000)
        return np.asarray(plane), np.asarray(inliers, np.int64)

    return one_by_one(points, find)


CONTENDERS: dict[str, tuple[str | None, Callable[[NDArray[np.float64], float], Answer]]] = {
    "nvc3d": (None, nvc3d),
    "Open3D patches": ("open3d", open3d_patches),
    "Open3D RANSAC, one by one": ("open3d", open3d_ransac),
    "pyransac3d, one by one": ("pyransac3d", pyransac3d),
}


def measured(
    rooms: list[Scan], noise: float, call: Any
) -> tuple[float, float, float, float, float]:
    """Plane recall of all and of large planes, RI, VOI and seconds a room."""
    found: list[PlaneRecall] = []
    large: list[PlaneRecall] = []
    agreements, seconds = [], 0.0
    for number, room in enumerate(rooms):
        shift = np.random.default_rng(1000 + number).normal(0, 1, room.points.shape)
        points = room.points + noise * shift
        start = time.process_time()
        answer = call(points, noise)
        seconds += time.process_time() - start
        off = np.zeros(len(points))
        if len(answer.offset):
            on = answer.instance
            off = np.abs((room.points * answer.normal[on]).sum(1) - answer.offset[on])
        predicted, truth = torch.from_numpy(answer.instance), torch.from_numpy(room.plane)
        size = torch.bincount(truth + 1)[truth + 1]
        for kept, true in ((found, truth), (large, truth.where(size >= LARGE * len(truth), -1))):
            apart, limit = torch.from_numpy(off), torch.tensor([OFF])
            kept.append(plane_recall_by_depth(predicted, true, apart, limit))
        agreements.append(plane_agreement(predicted, truth, "planetr"))
    index = np.mean([a.rand_index for a in agreements])
    information = np.mean([a.variation_of_information for a in agreements])
    recall, of_large = (float(pooled_recall(each)[0]) for each in (found, large))
    return recall, of_large, float(index), float(information), seconds / len(rooms)


def rows(asked: argparse.Namespace) -> Iterator[list[str]]:
    for noise in asked.noise:
        seeds = range(asked.rooms)
        rooms = [scan(make_room(seed), asked.points, seed, worn=noise > 0) for seed in seeds]
        planes = sum(len(np.unique(room.plane[room.plane >= 0])) for room in rooms)
        for name, (package, call) in CONTENDERS.items():
            if package is not None and find_spec(package) is None:
                print(f"{name} is left out: {package} is not installed")
                continue
            recall, large, index, information, seconds = measured(rooms, noise, call)
            cells = (
                f"{recall:.3f}",
                f"{large:.3f}",
                f"{index:.3f}",
                f"{information:.2f}",
                f"{seconds:.2f}",
            )
            yield [f"{100 * noise:g} cm", str(planes), name, *cells]
            print("  ".join([f"{100 * noise:g} cm", name, *cells]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rooms", type=int, default=5)
    parser.add_argument("--points", type=int, default=30000)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.01, 0.02])
    parser.add_argument("--markdown", type=Path, help="write the table into this page too")
    asked = parser.parse_args()
    head = [
        "noise",
        "true planes",
        "contender",
        f"plane recall @ {OFF} m",
        "large",
        "RI",
        "VOI",
        "s a room",
    ]
    text = f"{asked.rooms} rooms, {asked.points} points each:\n\n{table(head, list(rows(asked)))}"
    print(f"\n{text}")
    if asked.markdown:
        write_between(asked.markdown, "planes", text)


if __name__ == "__main__":
    main()
