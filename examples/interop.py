"""Clouds of other libraries in and out: the same points thinned by `nvc3d.ops`, library by library.

    python examples/interop.py

Each function makes a cloud as its library has it, gives its points as a tensor to an operator, and
what was kept back to the library. Where the comment says "shared", the tensor lies in the memory of
the library's own cloud and nothing is copied. What is not installed is left out. A trained model
takes most of them as they are: `nvc3d.load(run)(cloud)`.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nvc3d import ops

POINTS = np.random.default_rng(0).random((500, 3)).astype(np.float32)
Passed = tuple[torch.Tensor, Any, Any]
"""The tensor (..., 3), what the library's own points are, and what went back."""


def thinned(points: torch.Tensor) -> torch.Tensor:
    """The index (64,) of points (N, 3) that are far from each other."""
    return ops.farthest_point_sampling(points[None], 64)[0]


def with_numpy() -> Passed:
    points = torch.from_numpy(POINTS)  # shared
    kept = points[thinned(points)].numpy()  # shared
    return points, POINTS, kept


def with_open3d() -> Passed:
    import open3d as o3d

    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(POINTS.astype(np.float64)))
    points = torch.from_numpy(np.asarray(cloud.points))  # shared, float64
    kept = cloud.select_by_index(thinned(points).tolist())
    return points, np.asarray(cloud.points), kept


def with_open3d_tensors() -> Passed:
    import open3d as o3d

    cloud = o3d.t.geometry.PointCloud(o3d.core.Tensor(POINTS))
    points = torch.utils.dlpack.from_dlpack(cloud.point.positions.to_dlpack())  # shared, also CUDA
    index = thinned(points)
    kept = cloud.select_by_index(o3d.core.Tensor(index.numpy()))
    return points, cloud.point.positions.numpy(), kept


def with_trimesh() -> Passed:
    import trimesh

    cloud = trimesh.PointCloud(POINTS)
    points = torch.from_numpy(np.asarray(cloud.vertices))  # shared, float64
    kept = trimesh.PointCloud(points[thinned(points)].numpy())  # copied by trimesh
    return points, np.asarray(cloud.vertices), kept


def with_pytorch3d() -> Passed:
    from pytorch3d.structures import Pointclouds

    clouds = Pointclouds([torch.from_numpy(POINTS), torch.from_numpy(POINTS[:300])])
    points = clouds.points_padded()  # (2, 500, 3), what operators take; made once, then shared
    index = ops.farthest_point_sampling(points, 64, lengths=clouds.num_points_per_cloud())
    kept = Pointclouds(torch.take_along_dim(points, index[..., None], 1))
    return points, clouds.points_padded().numpy(), kept


def with_torch_geometric() -> Passed:
    from torch_geometric.data import Batch, Data

    from nvc3d.compat.torch_cluster import fps

    parts = [Data(pos=torch.from_numpy(POINTS)), Data(pos=torch.from_numpy(POINTS[:300]))]
    batch = Batch.from_data_list(parts)  # one after the other: of a single Data nothing is copied
    index = fps(batch.pos, batch.batch, ratio=0.1, random_start=False)  # shared
    kept = Batch(pos=batch.pos[index], batch=batch.batch[index])
    return batch.pos, batch.pos.numpy(), kept


def with_laspy() -> Passed:
    import laspy

    scan = laspy.create(point_format=3)
    scan.header.scales = [1e-4] * 3
    scan.xyz = POINTS
    # Copied: LAS holds whole numbers. Coordinates of surveys are too large for float32 until their
    # middle is taken away.
    middle = scan.xyz.mean(0)
    points = torch.from_numpy(scan.xyz - middle).float()
    scan.points = scan.points[thinned(points).numpy()]  # with all that else is known of them
    return points, scan.xyz, scan


def with_pye57() -> Passed:
    import pye57

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "scan.e57")
        names = ("cartesianX", "cartesianY", "cartesianZ")
        own = dict(zip(names, POINTS.T.astype(np.float64), strict=True))
        with pye57.E57(path, mode="w") as file:
            file.write_scan_raw(own)
        with pye57.E57(path) as file:
            scan = file.read_scan(0, ignore_missing_fields=True)
    # Copied: E57 holds each coordinate for itself. Several scans are one cloud by
    # `nvc3d.files.read_shape(path)`.
    points = torch.from_numpy(np.stack([scan[name] for name in names], 1)).float()
    index = thinned(points).numpy()
    return points, scan[names[0]], {name: values[index] for name, values in scan.items()}


EXAMPLES: dict[str, Callable[[], Passed]] = {
    "numpy": with_numpy,
    "open3d": with_open3d,
    "open3d, tensors": with_open3d_tensors,
    "trimesh": with_trimesh,
    "pytorch3d": with_pytorch3d,
    "torch_geometric": with_torch_geometric,
    "laspy": with_laspy,
    "pye57": with_pye57,
}

if __name__ == "__main__":
    for library, example in EXAMPLES.items():
        try:
            points, own, kept = example()
        except ImportError:
            print(f"{library}: not installed, left out")
            continue
        how = "shared" if np.shares_memory(points.numpy(), own) else "copied"
        print(
            f"{library}: {tuple(points.shape)} {points.dtype}, {how}; back: {type(kept).__name__}"
        )
