"""Writes the operators' answers and gradients on the CPU: `python packaging/answers.py FILE`.

Two builds agree if their files do: `cmp FILE OTHER`. Run without a GPU it fails on any warning, and
where the compiled operators are not in use, so that nothing falls back in silence.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

warnings.simplefilter("error")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from nvc3d import ops  # noqa: E402

LENGTHS = torch.tensor([257, 100]), torch.tensor([31, 300])
FLOOR, WALL = torch.tensor([1, 1, 0.01]), torch.tensor([0.01, 1, 1])
CALLS: dict[str, Callable[[Tensor, Tensor], object]] = {
    "nearest": lambda x, y: (ops.nearest(x, y), ops.nearest(x, y, *LENGTHS, norm=1)),
    "nearest_both": lambda x, y: (ops.nearest_both(x, y), ops.nearest_both(x, y, *LENGTHS)),
    "knn": lambda x, y: (ops.knn(x, y, 5), ops.knn(x, y, 4, *LENGTHS, norm=1)),
    "ball_query": lambda x, y: ops.ball_query(x, y, 0.7, 8),
    "farthest_point_sampling": lambda x, y: ops.farthest_point_sampling(x, 40),
    "assign_anchors": lambda x, y: ops.assign_anchors(x, y[0]),
    "chamfer_distance": lambda x, y: (
        ops.chamfer_distance(x, y),
        ops.chamfer_distance(x, y, x_lengths=LENGTHS[0], y_lengths=LENGTHS[1], norm=1),
    ),
    "earth_movers_distance": lambda x, y: ops.earth_movers_distance(x, y[:, :257]),
    "group": lambda x, y: ops.group(y, ops.knn(x, y, 3).index),
    "pool_neighbours": lambda x, y: ops.pool_neighbours(
        torch.cat([y, y.square()] * 4, 2), ops.ball_query(x, y, 0.7, 8).index
    ),
    "planes": lambda x, y: planes(flat(x[0])),
}


def flat(cloud: Tensor) -> Tensor:
    """A cloud (N, 3), its points in turn on the floor and on a wall, but for a little noise."""
    every = torch.arange(len(cloud))
    return cloud * torch.where((every % 2 == 0)[:, None], FLOOR, WALL).to(cloud)


def planes(cloud: Tensor) -> tuple[object, ...]:
    """What every operator of planes gives for a cloud (N, 3)."""
    index = ops.knn(cloud[None], cloud[None], 12).index[0]
    normal, variance = ops.local_planes(cloud, index)
    tolerance = variance[:, 0].sqrt() + 0.05
    seeds = tolerance.argsort(stable=True)
    seed = ops.grow_planes(cloud, index, normal, tolerance, seeds, cosine=0.8, least=20)
    region = seed.unique(return_inverse=True)[1] - 1  # some have none
    moments = ops.plane_moments(cloud, region, int(region.max()) + 1)
    across = torch.eye(3, dtype=cloud.dtype)[torch.arange(len(moments[0])) % 2 * 2]
    offset = (across * moments[1]).sum(1)
    assigned = ops.assign_planes(cloud, index, region, across, offset, torch.full_like(offset, 0.1))
    shared = ops.shared_planes(cloud, index)
    return normal, variance, seed, moments, assigned, shared


def tensors(value: object) -> list[Tensor]:
    """Those of an answer, in their order."""
    if isinstance(value, Tensor):
        return [value]
    parts = value if isinstance(value, tuple) else ()
    return [tensor for part in parts for tensor in tensors(part)]


def answers(name: str) -> list[Tensor]:
    """An operator's answers in both precisions, and the gradients of those that have some."""
    found = []
    for dtype in (torch.float32, torch.float64):
        numbers = np.random.RandomState(0).standard_normal
        x, y = (torch.tensor(numbers((2, n, 3)), dtype=dtype).requires_grad_() for n in (257, 300))
        outputs = tensors(CALLS[name](x, y))
        smooth = [output for output in outputs if output.requires_grad]
        weights = [torch.tensor(numbers(tuple(o.shape)), dtype=dtype) for o in smooth]
        found += outputs
        if smooth:
            gradients = torch.autograd.grad(smooth, (x, y), weights, allow_unused=True)
            found += [gradient for gradient in gradients if gradient is not None]
    return found


state = ops.library.describe()
if not state["compiled"]:
    sys.exit(f"the compiled operators are not in use: {state['reason']}")
with Path(sys.argv[1]).open("wb") as file:
    for name in CALLS:
        found = answers(name)
        for answer in found:
            file.write(answer.detach().numpy().tobytes())
        print(f"{name}: {len(found)} tensors")
print(f"torch {torch.__version__}, {state['isa']}, {state['path']}")
