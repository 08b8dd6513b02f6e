"""Clouds from NumPy, trimesh, Open3D and PyTorch3D, through the same operators and nebula.

    python examples/pipelines.py

What is not installed is left out. Each function makes a torus in its own library, and gives its
points as a tensor (N, 3) of float32: all that the operators ask for.
"""

from importlib.util import find_spec

import numpy as np
import torch

import nvc3d
from nvc3d import ops
from nvc3d.encoders import PointNet


def from_numpy() -> torch.Tensor:
    u, v = np.random.default_rng(0).uniform(0, 2 * np.pi, (2, 4096))
    ring = 1 + 0.4 * np.cos(v)
    points = np.stack([ring * np.cos(u), ring * np.sin(u), 0.4 * np.sin(v)], 1)
    return torch.from_numpy(points).float()


def from_trimesh() -> torch.Tensor:
    import trimesh

    mesh = trimesh.creation.torus(major_radius=1.0, minor_radius=0.4)
    return torch.from_numpy(np.asarray(mesh.sample(4096, seed=0))).float()


def from_open3d() -> torch.Tensor:
    import open3d

    open3d.utility.random.seed(0)
    mesh = open3d.geometry.TriangleMesh.create_torus(torus_radius=1.0, tube_radius=0.4)
    cloud = mesh.sample_points_uniformly(4096)
    return torch.from_numpy(np.asarray(cloud.points)).float()


def from_pytorch3d() -> torch.Tensor:
    from pytorch3d.structures import Pointclouds
    from pytorch3d.utils import torus

    from nvc3d.compat.pytorch3d import chamfer_distance

    points = torus(0.4, 1.0, 64, 64).verts_padded()  # (1, 4096, 3)
    # Code that hands Pointclouds over goes on as it is, with another import.
    distance, _ = chamfer_distance(Pointclouds(points), Pointclouds(from_numpy()[None]))
    print(f"  Pointclouds, by compat.pytorch3d.chamfer_distance: {float(distance):.5f}")
    return points[0]


torch.manual_seed(0)
reference = from_numpy()
encoder = PointNet(dim=64, transforms=False).eval()
nebula = nvc3d.Nebula(dim=64, num_anchors=8).eval()

for library, make in {
    "numpy": from_numpy,
    "trimesh": from_trimesh,
    "open3d": from_open3d,
    "pytorch3d": from_pytorch3d,
}.items():
    if find_spec(library) is None:
        print(f"{library}: not installed, left out")
        continue
    points = make()[None]  # (1, 4096, 3): operators and encoders take batches
    thinned = points[:, ops.farthest_point_sampling(points, 512)[0]]  # (1, 512, 3)
    distance = float(ops.chamfer_distance(points, reference[None]))
    with torch.no_grad():
        code = nebula(encoder(thinned)[0])
    print(
        f"{library}: 512 of {points.shape[1]} points kept, Chamfer distance {distance:.5f} "
        f"to NumPy's torus, anchor {int(code.anchor)}"
    )
