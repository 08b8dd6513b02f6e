"""How good and how different clouds are that are decoded from codes drawn at random."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nvc3d.checkpoint import Run
from nvc3d.metrics import compare_sets
from nvc3d.nebula import Nebula
from nvc3d.tasks.bottleneck import Plain
from nvc3d.tasks.classification.ask import latents
from nvc3d.tasks.classification.data import ClassifiedClouds
from nvc3d.tasks.task import Table, evaluating
from nvc3d.train import Outcome

from .mixtures import mixture

CLOUDS = 100
"""Generated, and at most compared with: evenly chosen of those kept out of training."""
ROWS = ("own prior", "mixture fitted afterwards")


def compared(outcome: Outcome, run: Run) -> Table:
    """MMD, coverage and 1-NN accuracy of clouds by the code's own prior, where it has one, and by a
    mixture of Gaussians fitted to the codes of the training shapes."""
    model: Any = outcome.model
    train, val = outcome.splits.train, outcome.splits.val
    assert isinstance(train, ClassifiedClouds)
    chosen = torch.linspace(0, len(val) - 1, min(CLOUDS, len(val))).round().long().unique()
    true = torch.stack([val[int(i)]["points"] for i in chosen])
    generator = torch.Generator().manual_seed(run.config.seed)
    means, _ = latents(model, train, run.config)
    drawn, _ = mixture(means, run.config).sample(len(true))
    table = {ROWS[1]: measured(decoded(outcome, torch.from_numpy(drawn).float()), true)}
    if not isinstance(model.bottleneck, Plain):
        clouds = model.generate(len(true), generator)
        table[ROWS[0]] = measured(clouds, true)
    return table


def decoded(outcome: Outcome, z: Tensor) -> Tensor:
    """Clouds (B, N, 3) of latents (B, D)."""
    model: Any = outcome.model
    head = model.bottleneck
    with evaluating(model):
        clouds: Tensor = model.decoder(head.embed(z) if isinstance(head, Nebula) else z)
    return clouds


def measured(clouds: Tensor, true: Tensor) -> dict[str, float]:
    """The columns of a row."""
    found = compare_sets(clouds, true)
    return {"MMD": found.mmd, "coverage": found.coverage, "1-NN accuracy": found.one_nn}
