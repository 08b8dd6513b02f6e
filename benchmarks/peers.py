"""What others offer for the same work, each where it is installed, each as its users call it.

A table maps the name of a contender to a function that prepares a call: it gets the inputs, and
returns what is timed. Conversions that a user would do once (a numpy view) are not timed; building
a tree is, for ours as for theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from nvc3d import ops

Call = Callable[[], Any]


def installed(package: str) -> bool:
    return find_spec(package) is not None


def gradient(points: Tensor) -> Tensor:
    """The gradient that a backward pass left at a leaf."""
    assert points.grad is not None
    return points.grad


def _numbered(batch: Tensor) -> Tensor:
    """The batch vector of torch-cluster's packed form."""
    return torch.arange(len(batch), device=batch.device).repeat_interleave(batch.shape[1])


# --- the distances from x to y and from y to x: (B, N) and (B, M), squared -------------------


# Ours are timed on a GPU with and without the check of values.


def nvc3d_both(x: Tensor, y: Tensor, check_finite: bool = True) -> Call:
    return lambda: ops.chamfer_distance(
        x, y, point_reduction=None, batch_reduction=None, check_finite=check_finite
    )


def scipy_both(x: Tensor, y: Tensor) -> Call:
    from scipy.spatial import cKDTree

    def call() -> tuple[np.ndarray, np.ndarray]:
        there, back = [], []
        for a, b in zip(x.numpy(), y.numpy(), strict=True):
            there.append(cKDTree(b).query(a)[0])
            back.append(cKDTree(a).query(b)[0])
        return np.square(there), np.square(back)

    return call


def open3d_both(x: Tensor, y: Tensor) -> Call:
    import open3d

    def cloud(points: np.ndarray) -> Any:
        return open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.astype(np.float64)))

    pairs = [(cloud(a), cloud(b)) for a, b in zip(x.numpy(), y.numpy(), strict=True)]

    def call() -> tuple[np.ndarray, np.ndarray]:
        there = [a.compute_point_cloud_distance(b) for a, b in pairs]
        back = [b.compute_point_cloud_distance(a) for a, b in pairs]
        return np.square(there), np.square(back)

    return call


def torch_cluster_both(x: Tensor, y: Tensor) -> Call:
    from torch_cluster import knn

    a, b = x.flatten(0, 1), y.flatten(0, 1)
    in_a, in_b = _numbered(x), _numbered(y)

    def call() -> tuple[Tensor, Tensor]:
        to_b, to_a = knn(b, a, 1, in_b, in_a)[1], knn(a, b, 1, in_a, in_b)[1]
        there, back = (a - b[to_b]).square().sum(-1), (b - a[to_a]).square().sum(-1)
        return there.view(x.shape[:2]), back.view(y.shape[:2])

    return call


def point_cloud_utils_both(x: Tensor, y: Tensor) -> Call:
    import point_cloud_utils

    pairs = list(zip(x.numpy(), y.numpy(), strict=True))

    def call() -> tuple[np.ndarray, np.ndarray]:
        there = [point_cloud_utils.k_nearest_neighbors(a, b, 1)[0] for a, b in pairs]
        back = [point_cloud_utils.k_nearest_neighbors(b, a, 1)[0] for a, b in pairs]
        return np.square(there), np.square(back)

    return call


def pytorch3d_both(x: Tensor, y: Tensor) -> Call:
    from pytorch3d.ops import knn_points

    return lambda: (knn_points(x, y).dists[..., 0], knn_points(y, x).dists[..., 0])


def torch_both(x: Tensor, y: Tensor) -> Call:
    def call() -> tuple[Tensor, Tensor]:
        table = torch.cdist(x, y)
        return table.amin(2).square(), table.amin(1).square()

    return call


# --- Chamfer, forward and backward: the loss and its gradient in x ----------------------------


def nvc3d_backward(x: Tensor, y: Tensor, check_finite: bool = True) -> Call:
    def call() -> Tensor:
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        ops.chamfer_distance(a, b, check_finite=check_finite).backward()
        return gradient(a)

    return call


def _by_gathering(neighbours: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Any:
    """The gradient as users of index-only libraries get it: gather, and let autograd work."""

    def prepare(x: Tensor, y: Tensor) -> Call:
        def call() -> Tensor:
            a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
            to_b, to_a = neighbours(x, y)
            flat_a, flat_b = a.flatten(0, 1), b.flatten(0, 1)
            there = (flat_a - flat_b[to_b]).square().sum(-1).mean()
            back = (flat_b - flat_a[to_a]).square().sum(-1).mean()
            (there + back).backward()
            return gradient(a)

        return call

    return prepare


def _scipy_index(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    from scipy.spatial import cKDTree

    there, back = [], []
    for b, (one, other) in enumerate(zip(x.numpy(), y.numpy(), strict=True)):
        there.append(cKDTree(other).query(one)[1] + b * other.shape[0])
        back.append(cKDTree(one).query(other)[1] + b * one.shape[0])
    return torch.from_numpy(np.concatenate(there)), torch.from_numpy(np.concatenate(back))


def _torch_cluster_index(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    from torch_cluster import knn

    a, b, in_a, in_b = x.flatten(0, 1), y.flatten(0, 1), _numbered(x), _numbered(y)
    return knn(b, a, 1, in_b, in_a)[1], knn(a, b, 1, in_a, in_b)[1]


def pytorch3d_backward(x: Tensor, y: Tensor) -> Call:
    from pytorch3d.loss import chamfer_distance

    def call() -> Tensor:
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        chamfer_distance(a, b)[0].backward()
        return gradient(a)

    return call


# --- k nearest neighbours within one cloud: squared distances (B, N, k) -----------------------


def nvc3d_knn(x: Tensor, k: int, check_finite: bool = True) -> Call:
    return lambda: ops.knn(x, x, k, check_finite=check_finite)[0]


def scipy_knn(x: Tensor, k: int) -> Call:
    from scipy.spatial import cKDTree

    return lambda: np.square([cKDTree(a).query(a, k)[0] for a in x.numpy()])


def open3d_knn(x: Tensor, k: int) -> Call:
    import open3d

    def call() -> np.ndarray:
        distances = []
        for a in x.numpy():
            points = open3d.core.Tensor(a)
            search = open3d.core.nns.NearestNeighborSearch(points)
            search.knn_index()
            distances.append(search.knn_search(points, k)[1].numpy())
        return np.stack(distances)

    return call


def torch_cluster_knn(x: Tensor, k: int) -> Call:
    from torch_cluster import knn

    a, numbered = x.flatten(0, 1), _numbered(x)

    def call() -> Tensor:
        row, column = knn(a, a, k, numbered, numbered)
        return (a[row] - a[column]).square().sum(-1).view(*x.shape[:2], k)

    return call


def point_cloud_utils_knn(x: Tensor, k: int) -> Call:
    import point_cloud_utils

    return lambda: np.square([point_cloud_utils.k_nearest_neighbors(a, a, k)[0] for a in x.numpy()])


def faiss_knn(x: Tensor, k: int) -> Call:
    import faiss

    def call() -> np.ndarray:
        distances = []
        for a in x.numpy():
            index = faiss.IndexFlatL2(a.shape[1])
            index.add(a)
            distances.append(index.search(a, k)[0])
        return np.stack(distances)

    return call


def pytorch3d_knn(x: Tensor, k: int) -> Call:
    from pytorch3d.ops import knn_points

    return lambda: knn_points(x, x, K=k).dists


def torch_knn(x: Tensor, k: int) -> Call:
    return lambda: torch.cdist(x, x).topk(k, dim=2, largest=False)[0].square()


# --- a few queries of a cloud whose tree is built before: squared distances (B, N, k) ----------


def nvc3d_index(x: Tensor, y: Tensor, k: int, check_finite: bool = True) -> Call:
    index = ops.Index(y)
    return lambda: index.knn(x, k, check_finite=check_finite).squared


def scipy_index(x: Tensor, y: Tensor, k: int) -> Call:
    from scipy.spatial import cKDTree

    trees = [cKDTree(b) for b in y.numpy()]
    return lambda: np.square(
        [tree.query(a, k)[0] for tree, a in zip(trees, x.numpy(), strict=True)]
    )


# --- the first or nearest k within a radius of every fourth point: distances, inf where fewer ----


def nvc3d_ball(x: Tensor, radius: float, k: int, check_finite: bool = True) -> Call:
    queries = x[:, ::4].contiguous()

    def call() -> Tensor:
        distance, index = ops.ball_query(queries, x, radius, k, check_finite=check_finite)
        return distance.masked_fill(index < 0, torch.inf)

    return call


def pytorch3d_ball(x: Tensor, radius: float, k: int) -> Call:
    from pytorch3d.ops import ball_query

    queries = x[:, ::4].contiguous()

    def call() -> Tensor:
        found = ball_query(queries, x, K=k, radius=radius, return_nn=False)
        return found.dists.masked_fill(found.idx < 0, torch.inf)

    return call


def torch_cluster_ball(x: Tensor, radius: float, k: int) -> Call:
    from torch_cluster import radius as within

    queries = x[:, ::4].contiguous()
    a, b, in_a, in_b = queries.flatten(0, 1), x.flatten(0, 1), _numbered(queries), _numbered(x)

    def call() -> Tensor:
        row, column = within(b, a, radius, in_b, in_a, max_num_neighbors=k)
        # Pairs, those of a query together.
        count = torch.bincount(row, minlength=len(a))
        place = torch.arange(len(row), device=x.device) - (count.cumsum(0) - count)[row]
        distance = torch.full((len(a), k), torch.inf, device=x.device)
        distance[row, place] = (a[row] - b[column]).square().sum(-1)
        return distance.view(*queries.shape[:2], k)

    return call


def open3d_ball(x: Tensor, radius: float, k: int) -> Call:
    import open3d

    queries = x[:, ::4].contiguous()

    def call() -> np.ndarray:
        distances = []
        for a, b in zip(queries.numpy(), x.numpy(), strict=True):
            search = open3d.core.nns.NearestNeighborSearch(open3d.core.Tensor(b))
            search.hybrid_index(radius)
            index, distance, _ = search.hybrid_search(open3d.core.Tensor(a), radius, k)
            distances.append(np.where(index.numpy() < 0, np.inf, distance.numpy()))
        return np.stack(distances)

    return call


# --- farthest point sampling: indices (B, k) --------------------------------------------------


def nvc3d_fps(x: Tensor, k: int, check_finite: bool = True) -> Call:
    return lambda: ops.farthest_point_sampling(x, k, check_finite=check_finite)


def fpsample_fps(x: Tensor, k: int) -> Call:
    import fpsample

    # The height that its documentation advises, by the number of points.
    height = (
        3 if x.shape[1] < 4096 else 5 if x.shape[1] < 65536 else 7 if x.shape[1] < 500_000 else 9
    )
    clouds = list(x.numpy())
    return lambda: np.stack(
        [fpsample.bucket_fps_kdline_sampling(a, k, h=height, start_idx=0) for a in clouds]
    )


def torch_fpsample_fps(x: Tensor, k: int) -> Call:
    import torch_fpsample

    return lambda: torch_fpsample.sample(x, k)[1]


def open3d_fps(x: Tensor, k: int) -> Call:
    import open3d

    clouds = [
        open3d.geometry.PointCloud(open3d.utility.Vector3dVector(a.astype(np.float64)))
        for a in x.numpy()
    ]
    # It returns points, not indices.
    return lambda: np.stack([np.asarray(a.farthest_point_down_sample(k).points) for a in clouds])


def torch_cluster_fps(x: Tensor, k: int) -> Call:
    from torch_cluster import fps

    a, numbered = x.flatten(0, 1), _numbered(x)
    offset = torch.arange(x.shape[0], device=x.device)[:, None] * x.shape[1]
    return lambda: (
        fps(a, numbered, ratio=k / x.shape[1], random_start=False).view(x.shape[0], k) - offset
    )


def pytorch3d_fps(x: Tensor, k: int) -> Call:
    from pytorch3d.ops import sample_farthest_points

    return lambda: sample_farthest_points(x, K=k)[1]


# --- earth mover's distance: the least mean distance (B,) -------------------------------------


def nvc3d_matching(x: Tensor, y: Tensor, check_finite: bool = True) -> Call:
    return lambda: ops.earth_movers_distance(x, y, tolerance=0, check_finite=check_finite).distance


def scipy_matching(x: Tensor, y: Tensor) -> Call:
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    def call() -> np.ndarray:
        tables = [cdist(a, b) for a, b in zip(x.numpy(), y.numpy(), strict=True)]
        return np.array([table[linear_sum_assignment(table)].mean() for table in tables])

    return call


# --- nearest anchors: index (N,) --------------------------------------------------------------


def nvc3d_assign(z: Tensor, a: Tensor, check_finite: bool = True) -> Call:
    return lambda: ops.assign_anchors(z, a, check_finite=check_finite).index


def torch_addmm_assign(z: Tensor, a: Tensor) -> Call:
    return lambda: torch.addmm(a.square().sum(1), z, a.T, alpha=-2).argmin(1)


def torch_cdist_assign(z: Tensor, a: Tensor) -> Call:
    return lambda: torch.cdist(z, a).argmin(1)


def faiss_assign(z: Tensor, a: Tensor) -> Call:
    import faiss

    def call() -> np.ndarray:
        index = faiss.IndexFlatL2(a.shape[1])
        index.add(a.numpy())
        return index.search(z.numpy(), 1)[1][:, 0]

    return call


def sklearn_assign(z: Tensor, a: Tensor) -> Call:
    from sklearn.metrics import pairwise_distances_argmin

    return lambda: pairwise_distances_argmin(z.numpy(), a.numpy())


# operator -> contender -> (package it needs, or None; how it is called)
# --- maximum and sum over chosen neighbours, forward and backward -----------------------------


def _pooling(pool: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Callable[..., Call]:
    """The gradient of the mean of both."""

    def prepare(values: Tensor, index: Tensor) -> Call:
        def call() -> Tensor:
            given = values.clone().requires_grad_()
            maximum, total = pool(given, index)
            (maximum.mean() + total.mean()).backward()
            return gradient(given)

        return call

    return prepare


nvc3d_pool = _pooling(ops.pool_neighbours)


def _gather_pool(values: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    batch, rows, k = index.shape
    flat = index.view(batch, rows * k, 1).expand(-1, -1, values.shape[2])
    around = values.gather(1, flat).view(batch, rows, k, -1)
    return around.max(2).values, around.sum(2)


def _bag_pool(values: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    first = torch.arange(len(index), device=index.device)[:, None, None] * values.shape[1]
    rows, flat = (index + first).flatten(0, 1), values.flatten(0, 1)
    return embedding_bag(rows, flat, mode="max"), embedding_bag(rows, flat, mode="sum")


CONTENDERS: dict[str, dict[str, tuple[str | None, Callable[..., Call]]]] = {
    "nearest": {
        "nvc3d": (None, nvc3d_both),
        "Open3D": ("open3d", open3d_both),
        "SciPy": ("scipy", scipy_both),
        "torch-cluster": ("torch_cluster", torch_cluster_both),
        "point-cloud-utils": ("point_cloud_utils", point_cloud_utils_both),
        "PyTorch3D": ("pytorch3d", pytorch3d_both),
        "torch.cdist": (None, torch_both),
    },
    "chamfer": {
        "nvc3d": (None, nvc3d_backward),
        "SciPy": ("scipy", _by_gathering(_scipy_index)),
        "torch-cluster": ("torch_cluster", _by_gathering(_torch_cluster_index)),
        "PyTorch3D": ("pytorch3d", pytorch3d_backward),
    },
    "knn": {
        "nvc3d": (None, nvc3d_knn),
        "Open3D": ("open3d", open3d_knn),
        "SciPy": ("scipy", scipy_knn),
        "torch-cluster": ("torch_cluster", torch_cluster_knn),
        "point-cloud-utils": ("point_cloud_utils", point_cloud_utils_knn),
        "faiss": ("faiss", faiss_knn),
        "PyTorch3D": ("pytorch3d", pytorch3d_knn),
        "torch.cdist": (None, torch_knn),
    },
    "Index": {
        "nvc3d": (None, nvc3d_index),
        "SciPy": ("scipy", scipy_index),
    },
    "ball_query": {
        "nvc3d": (None, nvc3d_ball),
        "Open3D": ("open3d", open3d_ball),
        "torch-cluster": ("torch_cluster", torch_cluster_ball),
        "PyTorch3D": ("pytorch3d", pytorch3d_ball),
    },
    "farthest_point_sampling": {
        "nvc3d": (None, nvc3d_fps),
        "fpsample": ("fpsample", fpsample_fps),
        "torch_fpsample": ("torch_fpsample", torch_fpsample_fps),
        "Open3D": ("open3d", open3d_fps),
        "torch-cluster": ("torch_cluster", torch_cluster_fps),
        "PyTorch3D": ("pytorch3d", pytorch3d_fps),
    },
    "pool_neighbours": {
        "nvc3d": (None, nvc3d_pool),
        "torch gather": (None, _pooling(_gather_pool)),
        "torch embedding_bag": (None, _pooling(_bag_pool)),
    },
    "earth_movers_distance": {
        "nvc3d": (None, nvc3d_matching),
        "SciPy": ("scipy", scipy_matching),
    },
    "assign_anchors": {
        "nvc3d": (None, nvc3d_assign),
        "torch addmm": (None, torch_addmm_assign),
        "torch.cdist": (None, torch_cdist_assign),
        "faiss": ("faiss", faiss_assign),
        "scikit-learn": ("sklearn", sklearn_assign),
    },
}
