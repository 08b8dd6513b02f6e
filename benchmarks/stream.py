"""What a loaded model costs beside its network: clouds of unequal sizes, answered one by one.

    python benchmarks/stream.py [--seconds 3]

An untrained classifier of each encoder answers a list of clouds of 500 to 5,000 points,
one after the other. Beside it, the same network called by plain torch: clouds moved to the unit
ball, as many points drawn of each as it learns from, or repeated, one forward pass for each cloud,
or for 16 together; probabilities and nothing else. CPU time of one process, on one thread where
OMP_NUM_THREADS is 1.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from real_study.report import table
from timing import cpu_times
from torch import Tensor, nn

from nvc3d.loaded import Model
from nvc3d.tasks import TASKS
from nvc3d.tasks.vocabulary import Vocabulary

CLOUDS = 32
BATCH = 16
ENCODERS = ("pointnet", "pointnet2", "dgcnn")


def classifier(encoder: str) -> Model:
    """An untrained one."""
    torch.manual_seed(0)
    task = TASKS["classification"]
    config = task.config(encoder=encoder)
    vocabulary = Vocabulary(tuple(f"category {number}" for number in range(40)))
    return Model(task, config, task.model(config, vocabulary), vocabulary)


def drawn(cloud: NDArray[np.float32], count: int, rng: np.random.Generator) -> Tensor:
    """Points (count, 3) of a cloud in the unit ball."""
    rows = rng.choice(len(cloud), count, replace=len(cloud) < count)
    points = torch.from_numpy(cloud)
    points = points - (points.amin(0) + points.amax(0)) / 2
    return (points / points.norm(dim=1).max())[rows]


@torch.inference_mode()
def plainly(network: nn.Module, clouds: list[NDArray[np.float32]], points: int, batch: int) -> None:
    """Answer clouds with a network alone, `batch` at once."""
    rng = np.random.default_rng(0)
    for start in range(0, len(clouds), batch):
        given = [drawn(cloud, points, rng) for cloud in clouds[start : start + batch]]
        network(torch.stack(given), None).scores.softmax(-1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    rng = np.random.default_rng(0)
    sizes = rng.integers(500, 5000, CLOUDS)
    clouds = [rng.random((size, 3)).astype(np.float32) for size in sizes]
    rows = []
    for encoder in ENCODERS:
        model = classifier(encoder)
        network, points = model.network, model.config.points
        least = cpu_times(
            {
                "model(clouds)": partial(model, clouds),
                "plain torch": partial(plainly, network, clouds, points, 1),
                f"plain torch, {BATCH} at once": partial(plainly, network, clouds, points, BATCH),
            },
            seconds,
        )
        rows.append([encoder, *(f"{taken / CLOUDS:.2f}" for taken in least.values())])
        print("  ".join(rows[-1]), flush=True)
    print(f"\nMilliseconds a cloud:\n\n{table(['encoder', *least], rows)}")


if __name__ == "__main__":
    main()
