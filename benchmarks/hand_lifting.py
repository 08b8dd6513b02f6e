"""Joints of hands in an image lifted to space, by networks that differ in the bottleneck alone.

    python benchmarks/hand_lifting.py --data DIR               # DIR/hands/, the published truths
    python benchmarks/hand_lifting.py --data DIR --markdown docs/hand_pose.md
    python benchmarks/hand_lifting.py --data DIR --maps --markdown docs/images.md

In: where the joints are seen, relative to the palm's pixel, over their root mean square distance
from it; so neither depth nor place nor size is told. With --maps it is told as by the networks that
find joints in photographs, by a score map for each joint. Out: mm relative to the palm.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pairing import BySeed, paired, shown, shown_test
from results import write_between
from torch import Tensor, nn

from nvc3d.geometry.hand_joints import names_of
from nvc3d.geometry.intrinsics import CAMERAS
from nvc3d.metrics import hand_pose as measured_by
from nvc3d.nebula import Nebula
from nvc3d.tasks.bottleneck import bottleneck

STEPS, BATCH, RATE = 3000, 128, 1e-3
WIDTH, ANCHORS, LATENT = 256, 7, 256
WEIGHT = 0.02
"""Of the constraint beside the task's loss, the tasks' own default."""
UNIT = 100.0
"""Millimetres that are 1 to the network."""
ANSWERS = 8
BEFORE, AFTER = 0.7, 0.75
"""Of a sequence what comes before is learned from, and what comes after is measured on."""
MEASURES = ("error", "aligned", "best")
MAP, EXTENT, SPREAD = 16, 2.5, 25 / 256
"""Pixels of a side of a score map, how far it reaches from the palm, and the deviation of the
Gaussian in it, of a side: the authors' (VO-handpose), whose maps have 256 and are pooled to 32."""


@dataclass(frozen=True)
class Truths:
    """A file of joints: the order they are in, and how many frames its sequences have."""

    order: str
    camera: str
    file: str
    sequences: tuple[int, ...]


SETS = {
    "NYU": Truths("nyu14", "nyu", "nyu_test_groundtruth_label.txt.gz", (2440, 5812)),
    "ICVL": Truths("icvl", "icvl", "icvl_test_groundtruth_label.txt.gz", (702, 894)),
}
SETTINGS = {
    "NYU, later frames": ("NYU", False),
    "ICVL, later frames": ("ICVL", False),
    "NYU, the other person": ("NYU", True),
}
"""Of which set, and whether the last sequence is learned from and the first measured on."""


@dataclass(frozen=True)
class Hands:
    """Joints in the image (N, 2 J), and in space (N, J, 3) in mm from the palm."""

    seen: Tensor
    joints: Tensor

    @classmethod
    def of(cls, pixels: Tensor, truths: Truths) -> Hands:
        """Those of u, v, d (N, J, 3), in pixels and mm."""
        camera, root = CAMERAS[truths.camera], names_of(truths.order).index("palm")
        joints = torch.from_numpy(camera.lifted(*pixels.numpy().transpose(2, 0, 1)))
        flat = pixels[..., :2] - pixels[:, [root], :2]
        size = flat.square().sum(-1).mean(-1).sqrt()[:, None, None]
        return cls((flat / size).flatten(1).float(), (joints - joints[:, [root]]).float())


def load(data: Path, setting: str) -> tuple[Hands, Hands]:
    """The hands to learn from, and those to measure on."""
    name, other = SETTINGS[setting]
    truths = SETS[name]
    with gzip.open(data / "hands" / truths.file, "rt") as file:
        rows = torch.from_numpy(np.loadtxt(file).reshape(sum(truths.sequences), -1, 3))
    parts = rows.split(truths.sequences)
    if other:
        return Hands.of(parts[-1], truths), Hands.of(parts[0], truths)
    first = torch.cat([part[: int(BEFORE * len(part))] for part in parts])
    last = torch.cat([part[int(AFTER * len(part)) :] for part in parts])
    return Hands.of(first, truths), Hands.of(last, truths)


class ScoreMaps(nn.Module):
    """Places of joints (B, 2 J) as a map of each, (B, J * MAP * MAP): a Gaussian around it."""

    def forward(self, seen: Tensor) -> Tensor:
        centres = EXTENT * ((2 * torch.arange(MAP) + 1) / MAP - 1)
        places = seen.unflatten(-1, (-1, 2, 1))  # (B, J, 2, 1)
        apart = (places - centres) / (2 * EXTENT * SPREAD)
        across, down = (-0.5 * apart.square()).exp().unbind(-2)  # (B, J, MAP) each
        return (down[..., None] * across[..., None, :]).flatten(1)


class Lifter(nn.Module):
    """A perceptron whose bottleneck is any that tasks have; or, at its side, the nebula of the
    authors' released code, that shapes the features and is not decoded."""

    def __init__(self, joints: int, kind: str, maps: bool = False) -> None:
        super().__init__()
        # First of all: with the same seed, all start from the same encoder.
        self.encoder = nn.Sequential(
            *([ScoreMaps()] if maps else []),
            *(
                nn.Linear(joints * MAP * MAP if maps else 2 * joints, WIDTH),
                nn.ReLU(),
                nn.Linear(WIDTH, WIDTH),
                nn.ReLU(),
            ),
        )
        self.side = kind == "side"
        # As released: losses are means over a latent's numbers, and 0.01 is the gravity's weight.
        released: dict[str, Any] = {"kl_weight": 1 / LATENT, "gravity_weight": 0.01 / LATENT}
        self.head = (
            Nebula(WIDTH, ANCHORS, LATENT, "nearest", **released)
            if self.side
            else bottleneck(kind, WIDTH, ANCHORS, LATENT, WEIGHT)  # type: ignore[arg-type]
        )
        length = WIDTH if self.side else self.head.embedding_dim
        self.decoder = nn.Sequential(
            *(nn.Linear(length, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 3 * joints))
        )

    def loss(self, hands: Hands) -> Tensor:
        features = self.encoder(hands.seen)
        code = self.head(features)
        found = self._decoded(features if self.side else code.embedding)
        apart = (found - hands.joints).square().sum(-1).mean()
        return apart / UNIT**2 + self.head.losses(code).total

    @torch.no_grad()
    def answers(self, seen: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """(K, N, J, 3) mm, the best guess first: one where there are no others."""
        features = self.encoder(seen)
        if self.side or self.head.answers == 1:
            return self._decoded(features if self.side else self.head(features).embedding)[None]
        return self._decoded(self.head.alternatives(features, count, generator).embedding)

    def _decoded(self, code: Tensor) -> Tensor:
        return UNIT * self.decoder(code).unflatten(-1, (-1, 3))


def lifted(kind: str) -> Callable[[Hands, Tensor, int, int, bool], Tensor]:
    """What a network with this bottleneck answers once it has learned."""

    def answer(known: Hands, seen: Tensor, seed: int, steps: int, maps: bool) -> Tensor:
        torch.manual_seed(seed)
        model = Lifter(known.joints.shape[1], kind, maps).train()
        optimizer = torch.optim.Adam(model.parameters(), RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        generator = torch.Generator().manual_seed(seed)  # the batches are the same for all
        for _ in range(steps):
            some = torch.randint(len(known.seen), (BATCH,), generator=generator)
            optimizer.zero_grad()
            model.loss(Hands(known.seen[some], known.joints[some])).backward()
            optimizer.step()
            schedule.step()
        return model.eval().answers(seen, ANSWERS, generator)

    return answer


def mean_hand(known: Hands, seen: Tensor, *_: Any) -> Tensor:
    return known.joints.mean(0).expand(1, len(seen), -1, -1)


def nearest_hands(known: Hands, seen: Tensor, *_: Any) -> Tensor:
    """Those of training that look most like it in the image."""
    index = torch.cdist(seen, known.seen).topk(ANSWERS, largest=False).indices
    return known.joints[index].movedim(1, 0)


ROWS: dict[str, Callable[..., Tensor]] = {
    "mean hand": mean_hand,
    "nearest hand": nearest_hands,
    "plain code": lifted("plain"),
    "VAE": lifted("vae"),
    "nebula": lifted("nebula"),
    "nebula at the side": lifted("side"),
}
LEARNED = [name for name in ROWS if name not in ("mean hand", "nearest hand")]


def measures(answers: Tensor, truth: Tensor) -> dict[str, float]:
    """Errors in mm of answers (K, N, J, 3): of the first, of the first turned, scaled and moved to
    fit, and of each hand's best where there are several."""
    own = {
        "error": measured_by.mean_error_mm(answers[0], truth),
        "aligned": measured_by.pa_mm(answers[0], truth),
    }
    if len(answers) > 1:
        each = torch.stack([measured_by.joint_errors_mm(one, truth).mean(1) for one in answers])
        own["best"] = float(each.amin(0).mean())
    return own


Results = dict[str, dict[str, BySeed]]
"""By row and measure."""


def study(known: Hands, asked: Hands, seeds: list[int], steps: int, maps: bool = False) -> Results:
    """All rows of a setting; what has no chance in it once."""
    found: Results = {row: {name: {} for name in MEASURES} for row in ROWS}
    for row, seed in itertools.product(ROWS, seeds):
        if row in LEARNED or seed == seeds[0]:
            answers = ROWS[row](known, asked.seen, seed, steps, maps)
            for name, value in measures(answers, asked.joints).items():
                found[row][name][seed] = value
    return found


def table(setting: str, sizes: tuple[int, int], found: Results) -> str:
    lines = [
        f"| {setting}: {sizes[0]} to learn from, {sizes[1]} measured on "
        f"| error, mm | aligned | best of {ANSWERS} "
        f"| error beside the plain code's | best of {ANSWERS} beside the VAE's |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row, own in found.items():
        cells = [shown(own[name], 2) for name in MEASURES]
        for name, other in (("error", "plain code"), ("best", "VAE")):
            test = paired(own[name], found[other][name]) if row != other else None
            cells.append(shown_test(test._replace(wilcoxon=None) if test else None, 2, True))
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--data", type=Path, required=True, help="folder of hands/")
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--maps", action="store_true", help="score maps in")
    options.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    options.add_argument("--markdown", type=Path, help="write the tables into this page too")
    given = options.parse_args()
    tables = []
    for setting in given.settings:
        known, asked = load(given.data, setting)
        found = study(known, asked, given.seeds, given.steps, given.maps)
        title = f"{setting}, score maps" if given.maps else setting
        tables.append(table(title, (len(known.seen), len(asked.seen)), found))
        print(f"{tables[-1]}\n", flush=True)
    if given.markdown:
        write_between(given.markdown, "lifting", "\n\n".join(tables))


if __name__ == "__main__":
    main()
