"""Depth and normals of a room told by a photograph of it, by networks that differ in the code.

    python benchmarks/room_images.py
    python benchmarks/room_images.py --markdown docs/images.md

In: a built-in interior, shaded and with its textures, 40 x 30 pixels in colours. Out: the depth of
each pixel and the normal of what it shows, by one code of the whole image, as the authors of the
nebula had it (NYU depth: 28 anchors, a code of 128). No pixel finds its own way around the code, so
a network can only say what kind of view it is: the nearest image of training is shown beside.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pairing import BySeed, paired, shown, shown_test
from results import write_between
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from nvc3d.metrics import depth_errors
from nvc3d.shapes.interiors import look, make_interior
from nvc3d.tasks.bottleneck import bottleneck

STEPS, BATCH, RATE = 600, 64, 1e-3
TRAIN, TEST = 2000, 300
ANCHORS, LATENT, WEIGHT = 28, 128, 1.0
"""The authors' numbers for NYU depth, and the weight of the constraint."""
HIGH, WIDE = 30, 40
MEASURES = ("rel", "rmse", "delta_1", "degrees")


@dataclass(frozen=True)
class Views:
    """Images (N, 3, H, W), 0 to 1, depth (N, H, W) in metres, and normals (N, 3, H, W), 0 where
    nobody knows them."""

    image: Tensor
    depth: Tensor
    normal: Tensor

    def at(self, rows: Tensor) -> Views:
        return Views(self.image[rows], self.depth[rows], self.normal[rows])


def views(first: int, count: int) -> Views:
    """Looks at so many interiors, each at another one, without noise."""
    rows: list[tuple[Any, ...]] = []
    for seed in range(first, first + count):
        sight = look(make_interior(seed), np.random.default_rng(seed), noise=False)
        high, wide = sight.exact.shape
        normal = np.where(sight.plane[:, None] >= 0, sight.normal[sight.plane], 0)
        image = sight.colors.reshape(high, wide, 3).transpose(2, 0, 1) / 255
        turned = normal.reshape(high, wide, 3).transpose(2, 0, 1)
        # Half of its 80 x 60 pixels: of the image means, of what is asked for samples.
        halved = image.reshape(3, HIGH, 2, WIDE, 2).mean((2, 4))
        rows.append((halved, sight.exact[::2, ::2], turned[:, ::2, ::2]))
    parts = zip(*rows, strict=True)
    return Views(*(torch.tensor(np.stack(part), dtype=torch.float32) for part in parts))


class Network(nn.Module):
    """A perceptron from image to depth and normals, by a code of any bottleneck."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        # First of all: with the same seed, all start from the same encoder.
        self.encoder = nn.Sequential(
            *(nn.Flatten(), nn.Linear(3 * HIGH * WIDE, 512), nn.ReLU()),
            *(nn.Linear(512, 256), nn.ReLU()),
        )
        self.head = bottleneck(kind, 256, ANCHORS, LATENT, WEIGHT)  # type: ignore[arg-type]
        self.decoder = nn.Sequential(
            *(nn.Linear(self.head.embedding_dim, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU()),
            *(nn.Linear(512, 4 * HIGH * WIDE), nn.Unflatten(1, (4, HIGH, WIDE))),
        )

    def loss(self, seen: Views) -> Tensor:
        """The authors': squared error of the depth, and one less the cosine of normals."""
        code = self.head(self.encoder(seen.image))
        told = self.decoder(code.embedding)
        apart = 1 - cosine_similarity(told[:, 1:], seen.normal, 1)
        known = seen.normal.square().sum(1) > 0
        task = (told[:, 0] - seen.depth).square().mean() + apart[known].mean()
        return task + self.head.losses(code).total

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        told = self.decoder(self.head(self.encoder(image)).embedding)
        return told[:, 0], normalize(told[:, 1:], dim=1)


Told = tuple[Tensor, Tensor]


def learned(kind: str) -> Callable[[Views, Tensor, int, int], Told]:
    def answer(known: Views, image: Tensor, seed: int, steps: int) -> Told:
        torch.manual_seed(seed)
        model = Network(kind).train()
        optimizer = torch.optim.Adam(model.parameters(), RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        generator = torch.Generator().manual_seed(seed)  # the batches are the same for all
        for _ in range(steps):
            rows = torch.randint(len(known.image), (BATCH,), generator=generator)
            optimizer.zero_grad()
            model.loss(known.at(rows)).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            found: Told = model.eval()(image)
        return found

    return answer


def mean_view(known: Views, image: Tensor, *_: int) -> Told:
    depth = known.depth.mean(0).expand(len(image), -1, -1)
    return depth, normalize(known.normal.mean(0), dim=0).expand(len(image), -1, -1, -1)


def nearest_view(known: Views, image: Tensor, *_: int) -> Told:
    rows = torch.cdist(image.flatten(1), known.image.flatten(1)).argmin(1)
    return known.depth[rows], known.normal[rows]


ROWS: dict[str, Callable[..., Told]] = {
    "mean view": mean_view,
    "nearest view": nearest_view,
    "plain code": learned("plain"),
    "VAE": learned("vae"),
    "nebula": learned("nebula"),
}
LEARNED = ("plain code", "VAE", "nebula")


def measures(told: Told, truth: Views) -> dict[str, float]:
    """Relative error, root mean square in metres and share within 1.25 of the depth, and degrees
    between normals."""
    errors = depth_errors(told[0], truth.depth)
    known = (truth.normal.square().sum(1) > 0) & (told[1].square().sum(1) > 0)
    angle = cosine_similarity(told[1], truth.normal, 1)[known].clamp(-1, 1).acos()
    degrees = float(angle.rad2deg().mean())
    return {
        **{name: getattr(errors, name) for name in ("rel", "rmse", "delta_1")},
        "degrees": degrees,
    }


def table(known: Views, asked: Views, seeds: list[int], steps: int) -> str:
    """Markdown: a row for each of `ROWS`."""
    found: dict[str, dict[str, BySeed]] = {row: {name: {} for name in MEASURES} for row in ROWS}
    for row, seed in product(ROWS, seeds):
        if row in LEARNED or seed == seeds[0]:
            told = ROWS[row](known, asked.image, seed, steps)
            for name, value in measures(told, asked).items():
                found[row][name][seed] = value
    lines = [
        f"| {len(known.image)} rooms to learn from, {len(asked.image)} others measured on "
        "| rel | RMSE, m | δ < 1.25 | normals, degrees | RMSE beside the plain code's |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row, own in found.items():
        cells = [shown(own[name], 1 if name == "degrees" else 3) for name in MEASURES]
        test = paired(own["rmse"], found["plain code"]["rmse"]) if row != "plain code" else None
        lines.append(f"| {row} | {' | '.join(cells)} | {shown_test(test, 3, True)} |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--rooms", type=int, default=TRAIN)
    options.add_argument("--markdown", type=Path, help="write the table into this page too")
    given = options.parse_args()
    text = table(views(0, given.rooms), views(1_000_000, TEST), given.seeds, given.steps)
    print(text)
    if given.markdown:
        write_between(given.markdown, "rooms", text)


if __name__ == "__main__":
    main()
