"""What the nebula gives: the same autoencoder of digits with a nebula, and as a VAE and k-means.

    python benchmarks/nebula.py --data DIR --seeds 11 12     # DIR/mnist/t10k-*.gz
    python benchmarks/nebula.py                              # scikit-learn's digits

Both rows have the same encoder, decoder, optimiser, number of steps, and latent size; no labels
in training. The decoder of the VAE has no inputs for an assignment, which it has not.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from nvc3d import Nebula

ANCHORS, LATENT, BATCH, RATE = 30, 32, 250, 1e-3
ROWS = ("vae", "nvc")


def load(folder: Path | None) -> tuple[Tensor, np.ndarray, int]:
    """Images (N, pixels) in 0 to 1, their labels, and how many of the first are for training."""
    if folder is None:
        digits = load_digits()
        return torch.tensor(digits.data / 16, dtype=torch.float32), digits.target, 1400
    name = str(folder / "mnist" / "t10k-{}.gz")
    with gzip.open(name.format("images-idx3-ubyte")) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(name.format("labels-idx1-ubyte")) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return torch.tensor(pixels / 255, dtype=torch.float32), labels, 8000


def mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inner, outer in pairwise(sizes):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Autoencoder(nn.Module):
    """An encoder, a nebula or only its posterior, and a decoder to logits of pixels."""

    def __init__(self, pixels: int, row: str) -> None:
        super().__init__()
        self.anchored = row == "nvc"
        self.encoder = nn.Sequential(mlp(pixels, 512, 256, 128), nn.ReLU())
        self.nebula = Nebula(128, ANCHORS, LATENT)
        wide = self.nebula.embedding_dim if self.anchored else LATENT
        self.decoder = mlp(wide, 128, 256, 512, pixels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, mean of the posterior, and the constraint's loss."""
        features = self.encoder(x)
        if self.anchored:
            code = self.nebula(features)
            return self.decoder(code.embedding), code.mean, self.nebula.losses(code).total
        mean, log_variance = self.nebula.posterior(features).chunk(2, -1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return self.decoder(mean + (0.5 * log_variance).exp() * noise), mean, kl


def measure(
    row: str, seed: int, epochs: int, images: Tensor, labels: np.ndarray, split: int
) -> dict[str, float]:
    """Train one row with one seed, and judge its codes of images it has not seen."""
    torch.manual_seed(seed)
    model = Autoencoder(images.shape[1], row)
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    train, test = images[:split], images[split:]
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(split).split(BATCH):
            x = train[rows]
            logits, _, constraint = model(x)
            nats = binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
            optimiser.zero_grad()
            (nats + constraint).backward()
            optimiser.step()
    seconds = time.perf_counter() - start
    model.eval()
    with torch.no_grad():
        logits, code, _ = model(test)
        nats = binary_cross_entropy_with_logits(logits, test, reduction="none").sum(1).mean()
        seen = model(train)[1]
        if row == "nvc":
            groups, own = (model.nebula(model.encoder(x)).anchor.numpy() for x in (train, test))
        else:
            means = KMeans(ANCHORS, n_init=10, random_state=seed).fit(seen.numpy())
            groups, own = means.labels_, means.predict(code.numpy())
    known, truth = labels[:split], labels[split:]
    votes = [np.bincount(known[groups == k], minlength=10).argmax() for k in range(ANCHORS)]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return {
        "reconstruction": float(nats),
        "5-NN": KNeighborsClassifier(5).fit(seen, known).score(code, truth),
        "linear": probe.fit(seen, known).score(code, truth),
        "vote": float((np.array(votes)[own] == truth).mean()),
        "NMI": float(normalized_mutual_info_score(truth, own)),
        "used": len(np.unique(groups)),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds mnist/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--output", type=Path, help="JSON file of all results")
    options = parser.parse_args()
    images, labels, split = load(options.data)
    results = []
    for row in ROWS:
        for seed in options.seeds:
            found = measure(row, seed, options.epochs, images, labels, split)
            results.append({"row": row, "seed": seed, **found})
            cells = "  ".join(f"{name} {value:.4g}" for name, value in found.items())
            print(f"{row}  seed {seed}  {cells}", flush=True)
    if options.output:
        options.output.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    warnings.simplefilter("once")
    main()
