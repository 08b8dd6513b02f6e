"""The default nebula in training loops of other people's habits, on MNIST.

    python benchmarks/nebula_loops.py --data DIR                  # DIR/mnist/
    python benchmarks/nebula_loops.py --data DIR --rows BatchNorm --seeds 1

A perceptron 784-512-256-64 with a nebula of 30 anchors and latents of 64, Adam with a constant rate
of 1e-3, 45 epochs of batches of 250, 8,000 digits to learn from and 2,000 measured on, as
benchmarks/nebula.py has them. Each row changes one thing. Beside the vote of the anchors stands
that of k-means on the same codes: where anchors stay behind it, they are at fault.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import torch
from nebula_study.datasets import Dataset, bernoulli, load
from nebula_study.measures import majority_vote
from pairing import BySeed, shown
from real_study.report import table
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from nvc3d import Nebula

WIDTHS, FEATURES, ANCHORS = (512, 256), 64, 30
EPOCHS, BATCH, RATE = 45, 250, 1e-3


def mean_square(logits: Tensor, target: Tensor) -> Tensor:
    return (logits.sigmoid() - target).square().mean()


@dataclass(frozen=True)
class Loop:
    """What somebody does in a way of their own."""

    loss: Callable[[Tensor, Tensor], Tensor] = bernoulli
    bent: bool = True
    """Whether the feature comes out of a ReLU."""
    normal: bool = False
    """Whether there is a BatchNorm before each ReLU."""


ROWS = {
    "nats of an image": Loop(),
    "a feature without ReLU": Loop(bent=False),
    "mean over pixels": Loop(binary_cross_entropy_with_logits),
    "mean squared error": Loop(mean_square),
    "BatchNorm": Loop(normal=True),
}


def layers(loop: Loop, *sizes: int, bent: bool) -> nn.Sequential:
    """Linear layers of these widths, a ReLU between them and, if `bent`, after the last."""
    made: list[nn.Module] = []
    for number, (inner, outer) in enumerate(pairwise(sizes)):
        made.append(nn.Linear(inner, outer))
        if bent or number < len(sizes) - 2:
            made += [nn.BatchNorm1d(outer)] if loop.normal else []
            made.append(nn.ReLU())
    return nn.Sequential(*made)


def trained(loop: Loop, data: Dataset, seed: int) -> dict[str, float]:
    """Nats of the digits measured on, and the votes."""
    torch.manual_seed(seed)
    pixels = data.inputs.shape[1]
    encoder = layers(loop, pixels, *WIDTHS, FEATURES, bent=loop.bent)
    head = Nebula(FEATURES, ANCHORS)
    decoder = layers(loop, head.embedding_dim, FEATURES, *WIDTHS[::-1], pixels, bent=False)
    model = nn.ModuleList([encoder, head, decoder])
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(data.split).split(BATCH):
            code = head(encoder(data.inputs[rows]))
            loss = loop.loss(decoder(code.embedding), data.inputs[rows])
            optimizer.zero_grad()
            (loss + head.losses(code).total).backward()
            optimizer.step()
    model.eval()
    known, truth = data.labels[: data.split], data.labels[data.split :]
    with torch.no_grad():
        seen, asked = head(encoder(data.train)), head(encoder(data.test))
        nats = float(bernoulli(decoder(asked.embedding), data.test))
    means = KMeans(ANCHORS, n_init=3, random_state=seed).fit(seen.mean.numpy())
    own = means.predict(asked.mean.numpy())
    return {
        "nats": nats,
        "vote": majority_vote(seen.anchor.numpy(), known, asked.anchor.numpy(), truth),
        "k-means: vote": majority_vote(means.labels_, known, own, truth),
    }


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--data", type=Path, required=True, help="folder of mnist/")
    options.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    given = options.parse_args()
    torch.set_num_threads(1)
    data = load("mnist", given.data, given.data)
    columns = ("nats", "vote", "k-means: vote")
    found: dict[str, dict[str, BySeed]] = {row: {c: {} for c in columns} for row in given.rows}
    for row, seed in product(given.rows, given.seeds):
        for name, value in trained(ROWS[row], data, seed).items():
            found[row][name][seed] = value
        print(f"{row}, seed {seed}:", {n: round(v[seed], 4) for n, v in found[row].items()})
    lines = [
        [row, *(shown(own[c], 1 if c == "nats" else 3) for c in columns)]
        for row, own in found.items()
    ]
    print("\n" + table(["", "nats", "vote of the anchors", "vote of k-means"], lines))


if __name__ == "__main__":
    main()
