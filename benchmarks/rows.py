"""What is timed: the workloads of each operator, with the check of their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import checking
import torch
import workloads
from workloads import clouds

# Points a cloud above which a contender takes minutes, or more memory than there is.
LIMITS = {
    ("nearest", "torch.cdist"): 4096,
    ("nearest", "PyTorch3D"): 20_000,
    ("chamfer", "PyTorch3D"): 20_000,
    ("knn", "torch.cdist"): 16_000,
    ("ball_query", "PyTorch3D"): 20_000,
    ("knn", "PyTorch3D"): 16_000,
    ("knn", "faiss"): 20_000,
    ("farthest_point_sampling", "PyTorch3D"): 200_000,
    ("farthest_point_sampling", "torch-cluster"): 200_000,
    ("farthest_point_sampling", "Open3D"): 200_000,
}


@dataclass(frozen=True)
class Row:
    """One workload of one operator."""

    operator: str
    name: str
    size: int  # points a cloud
    inputs: Callable[[], tuple[Any, ...]]
    check: Callable[..., float]


def rows() -> list[Row]:
    table = []
    for kind in (workloads.cube, workloads.torus):
        for batch, size in ((8, 2048), (32, 2048), (4, 16384), (1, 100_000), (1, 1_000_000)):
            name = f"{kind.__name__} {batch}×{size}"

            def pair(kind: Any = kind, batch: int = batch, size: int = size) -> tuple[Any, ...]:
                return clouds(kind, batch, size, 1), clouds(kind, batch, size, 2)

            table.append(Row("nearest", name, size, pair, checking.distances))
            if size <= 100_000:
                table.append(Row("chamfer", name, size, pair, checking.gradient))
    for crowd in workloads.HOSTILE:
        for size in (16384, 100_000):

            def hostile(kind: Any = crowd, size: int = size) -> tuple[Any, ...]:
                return clouds(kind, 1, size, 1), clouds(kind, 1, size, 2)

            name = f"{crowd.__name__} {size}"
            table.append(Row("nearest", name, size, hostile, checking.distances))
    wide = ((1, 20_000, dim) for dim in (2, 4, 6, 8, 12))
    for batch, size, dim in ((8, 2048, 3), (8, 2048, 64), (1, 100_000, 3), *wide):

        def graph(batch: int = batch, size: int = size, dim: int = dim) -> tuple[Any, ...]:
            points = torch.rand(batch, size, dim, generator=torch.Generator().manual_seed(1))
            return points, 20

        name = f"{batch}×{size}, {dim}-d, k=20"
        table.append(Row("knn", name, size, graph, checking.neighbours))
    for k in (16, 64, 65, 256, 1024):

        def many(k: int = k) -> tuple[Any, ...]:
            return torch.rand(1, 20_000, 3, generator=torch.Generator().manual_seed(1)), k

        table.append(Row("knn", f"1×20000, 3-d, k={k}", 20_000, many, checking.neighbours))
    for count in (1, 1000):

        def asked(count: int = count) -> tuple[Any, ...]:
            return clouds(workloads.cube, 1, count, 2), clouds(workloads.cube, 1, 100_000, 1), 8

        name = f"{count} of 100000, 3-d, k=8"
        table.append(Row("Index", name, 100_000, asked, checking.nearest_k))
    for batch, size, radius in ((8, 2048, 0.2), (8, 16384, 0.1), (1, 100_000, 0.05)):
        for kind in (workloads.cube, workloads.torus):

            def balls(
                kind: Any = kind, batch: int = batch, size: int = size, radius: float = radius
            ) -> tuple[Any, ...]:
                return clouds(kind, batch, size, 1), radius, 32

            name = f"{kind.__name__} {batch}×{size}, radius {radius}, k=32"
            table.append(Row("ball_query", name, size, balls, checking.within))
    for batch, size, k in (
        (8, 2048, 512),
        (8, 16384, 2048),
        (1, 100_000, 4096),
        (1, 1_000_000, 16384),
    ):
        for kind in (workloads.cube, workloads.torus):

            def sample(
                kind: Any = kind, batch: int = batch, size: int = size, k: int = k
            ) -> tuple[Any, ...]:
                return clouds(kind, batch, size, 1), k

            name = f"{kind.__name__} {batch}×{size}→{k}"
            table.append(Row("farthest_point_sampling", name, size, sample, checking.picks))
    for dim in (2, 4, 6, 8, 12):

        def spread(dim: int = dim) -> tuple[Any, ...]:
            return torch.rand(1, 20_000, dim, generator=torch.Generator().manual_seed(1)), 1024

        name = f"1×20000→1024, {dim}-d"
        table.append(Row("farthest_point_sampling", name, 20_000, spread, checking.picks))
    for crowd in workloads.HOSTILE:

        def crowded(kind: Any = crowd) -> tuple[Any, ...]:
            return clouds(kind, 1, 100_000, 1), 4096

        name = f"{crowd.__name__} 100000→4096"
        table.append(Row("farthest_point_sampling", name, 100_000, crowded, checking.picks))
    for batch, size, count, k, dim in ((16, 1024, 256, 24, 64), (16, 256, 64, 24, 128)):

        def around(
            batch: int = batch, size: int = size, count: int = count, k: int = k, dim: int = dim
        ) -> tuple[Any, ...]:
            generator = torch.Generator().manual_seed(1)
            values = torch.randn(batch, size, dim, generator=generator)
            return values, torch.randint(size, (batch, count, k), generator=generator)

        name = f"{batch}×{size}→{count}, {dim} channels, k={k}"
        table.append(Row("pool_neighbours", name, size, around, checking.pooled))
    for pairs, size, dim in (
        ("cubes", 2048, 3),
        ("cubes far apart", 1024, 3),
        ("a tiny ball and a cube", 1024, 3),
        ("normal", 1024, 16),
        ("normal", 1024, 256),
    ):

        def matched(pairs: str = pairs, size: int = size, dim: int = dim) -> tuple[Any, ...]:
            generator = torch.Generator().manual_seed(1)
            draw = torch.randn if pairs == "normal" else torch.rand
            x, y = (draw(1, size, dim, generator=generator) for _ in "xy")
            if pairs == "a tiny ball and a cube":
                x = 0.5 + 0.01 * x
            return x, y + 3 if pairs == "cubes far apart" else y

        name = f"{pairs}, 1×{size}, {dim}-d"
        table.append(Row("earth_movers_distance", name, size, matched, checking.matching))
    for size, dim, count in (
        (4096, 128, 10),
        (65536, 128, 64),
        (262_144, 256, 256),
        (1_000_000, 64, 1024),
    ):

        def latents(size: int = size, dim: int = dim, count: int = count) -> tuple[Any, ...]:
            generator = torch.Generator().manual_seed(1)
            return (
                torch.randn(size, dim, generator=generator),
                torch.randn(count, dim, generator=generator),
            )

        name = f"{size}×{dim}×{count}"
        table.append(Row("assign_anchors", name, size, latents, checking.anchors))
    return table
