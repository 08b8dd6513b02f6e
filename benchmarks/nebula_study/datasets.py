"""The data sets, each with the encoder, the decoder and the loss that all rows share."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool3d

from nvc3d import ops
from nvc3d.encoders import PointNet
from nvc3d.shapes import BuiltinShapes

FEATURES = 128
POINTS, POINTS_SEEN = 256, 128


@dataclass(frozen=True)
class Dataset:
    """Samples with labels, and how they are learned; labels are for judging only."""

    name: str
    inputs: Tensor
    """(N, ...) those to train on first."""
    labels: NDArray[np.int64]
    """(N,)"""
    split: int
    """How many of the first are to train on."""
    batch: int
    steps: int
    encoder: Callable[[], nn.Module]
    """Makes a network from inputs (B, ...) to features (B, FEATURES)."""
    decoder: Callable[[int], nn.Module]
    """Makes a network from codes of that width to outputs (B, ...)."""
    error: Callable[[Tensor, Tensor], Tensor]
    """Of outputs and inputs, mean over the batch, in `unit`."""
    unit: str
    nats: float = 1.0
    """Nats per unit of the error: its weight beside a KL."""

    @property
    def train(self) -> Tensor:
        return self.inputs[: self.split]

    @property
    def test(self) -> Tensor:
        return self.inputs[self.split :]


def load(name: str, folder: Path | None, cache: Path) -> Dataset:
    """The data set of that name; `folder` holds the files, `cache` is for what takes long to make.

    Raises ValueError where the files are not there, or no folder is given.
    """
    if name not in DATASETS:
        raise ValueError(f"data set must be one of {', '.join(DATASETS)}, got {name!r}")
    if name == "digits":
        return digits()
    if name == "shapes":
        return shapes(cache)
    if folder is None:
        raise ValueError(f"{name} needs --data: the folder that holds {FOLDERS[name]}/")
    if not (folder / FOLDERS[name]).is_dir():
        raise ValueError(f"{name} needs {folder / FOLDERS[name]}, which is not a folder")
    return mnist(folder / FOLDERS[name]) if name == "mnist" else voxels(folder / FOLDERS[name])


DATASETS = ("digits", "mnist", "shapes", "voxels")
FOLDERS = {"mnist": "mnist", "voxels": "modelnet10_voxels"}


def digits() -> Dataset:
    """scikit-learn's digits, 8 x 8: 1,400 and 397."""
    data = load_digits()
    pixels = torch.tensor(data.data / 16, dtype=torch.float32)
    return images("digits", pixels, data.target, 1400, batch=50, steps=2800, widths=(256, 128))


def mnist(folder: Path) -> Dataset:
    """MNIST's 10,000 test digits, 28 x 28: 8,000 and 2,000."""
    name = str(folder / "t10k-{}.gz")
    with gzip.open(name.format("images-idx3-ubyte")) as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(name.format("labels-idx1-ubyte")) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    scaled = torch.tensor(pixels / 255, dtype=torch.float32)
    return images("mnist", scaled, labels, 8000, batch=250, steps=1440, widths=(512, 256))


def images(
    name: str,
    pixels: Tensor,
    labels: NDArray[np.int64],
    split: int,
    *,
    batch: int,
    steps: int,
    widths: tuple[int, ...],
) -> Dataset:
    count = pixels.shape[1]
    return Dataset(
        name,
        pixels,
        labels,
        split,
        batch,
        steps,
        encoder=lambda: nn.Sequential(mlp(count, *widths, FEATURES), nn.ReLU()),
        decoder=lambda width: mlp(width, FEATURES, *widths[::-1], count),
        error=bernoulli,
        unit="nats",
    )


def shapes(cache: Path) -> Dataset:
    """nvc3d's built-in shapes as clouds of 256 points: 1,840 and 2,300, in 23 categories."""
    path = cache / f"shapes-4140-{POINTS}.npz"
    if not path.exists():
        made = [BuiltinShapes(part, size) for part, size in (("train", 1840), ("test", 2300))]
        rng = np.random.default_rng(0)
        drawn = [mesh.sample(POINTS, rng)[0] for part in made for mesh, _, _ in part]
        kinds = [label for part in made for _, label, _ in part]
        cache.mkdir(parents=True, exist_ok=True)
        # Two workers may make it at once: each writes its own, the last one stays.
        part = path.with_suffix(f".{torch.initial_seed()}.part")
        with part.open("wb") as file:
            np.savez(file, clouds=np.stack(drawn), labels=np.array(kinds))
        part.replace(path)
    with np.load(path) as stored:
        clouds, labels = torch.from_numpy(stored["clouds"]), stored["labels"]
    return Dataset(
        "shapes",
        clouds,
        labels,
        1840,
        batch=46,
        steps=1600,
        encoder=CloudEncoder,
        decoder=lambda width: nn.Sequential(
            mlp(width, FEATURES, 256, POINTS * 3), nn.Unflatten(1, (POINTS, 3))
        ),
        error=chamfer,
        unit="Chamfer, thousandths",
        # Of a Gaussian whose variance is the error's own, at an error of 12.5 (Rybkin, Daniilidis,
        # Levine, "Simple and effective VAE training with calibrated decoders", 2021).
        nats=1.5 * POINTS / 12.5,
    )


def voxels(folder: Path) -> Dataset:
    """ModelNet10's chairs and monitors, 32³ pooled to 16³: 600 and 498."""
    kinds = ("chair", "monitor")
    grids, labels = [], []
    for label, kind in enumerate(kinds):
        with np.load(folder / f"{kind}.npz") as stored:
            kept = stored["voxels"][stored["voxels"].any((1, 2, 3))]  # the first of each is empty
        grids.append(kept)
        labels.append(np.full(len(kept), label))
    order = np.random.default_rng(0).permutation(sum(map(len, grids)))
    fine = torch.from_numpy(np.concatenate(grids)[order]).float()[:, None]  # (N, 1, 32, 32, 32)
    return Dataset(
        "voxels",
        max_pool3d(fine, 2),
        np.concatenate(labels)[order],
        600,
        batch=30,
        steps=1500,
        encoder=lambda: nn.Sequential(
            nn.Conv3d(1, 8, 4, 2, 1),
            nn.ReLU(),
            nn.Conv3d(8, 16, 4, 2, 1),
            nn.ReLU(),
            nn.Conv3d(16, 32, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(256, FEATURES),
            nn.ReLU(),
        ),
        decoder=lambda width: nn.Sequential(
            mlp(width, FEATURES, 256),
            nn.ReLU(),
            nn.Unflatten(1, (32, 2, 2, 2)),
            nn.ConvTranspose3d(32, 16, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose3d(16, 8, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose3d(8, 1, 4, 2, 1),
        ),
        error=bernoulli,
        unit="nats",
    )


class CloudEncoder(nn.Module):
    """A small PointNet of half of the points (B, N, 3): all of them would double the time."""

    def __init__(self) -> None:
        super().__init__()
        self.net = PointNet(dim=FEATURES, transforms=False)

    def forward(self, points: Tensor) -> Tensor:
        features: Tensor = self.net(points[:, :POINTS_SEEN])[0]
        return features


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for inner, outer in pairwise(sizes):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def bernoulli(logits: Tensor, target: Tensor) -> Tensor:
    """Negative log likelihood of a sample, in nats."""
    return binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(target)


def chamfer(clouds: Tensor, target: Tensor) -> Tensor:
    return 1000 * ops.chamfer_distance(clouds, target)
