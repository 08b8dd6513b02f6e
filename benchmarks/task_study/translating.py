"""Translation: a Transformer without any code in between, the codes, and the controls that a gain
of theirs has to stand beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nvc3d.adapters.text.translation.data import evaluate
from nvc3d.adapters.text.translation.model import TranslationModel
from nvc3d.checkpoint import Run
from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.bottleneck import Plain
from nvc3d.tasks.evaluation import Evaluation
from nvc3d.tasks.task import Table
from nvc3d.train import Outcome, evaluation_batches

NONE, WIDE, NOISE, METRIC = "none", "none, wide", "noise", "nebula, metric"
DROPOUTS = {"none, dropout 0.2": 0.2, "none, dropout 0.4": 0.4}
COLUMNS = (NONE, WIDE, *DROPOUTS, NOISE, "plain", "vae", METRIC, "nebula")
METRIC_WEIGHT = 1.0


class Noise(Plain):
    """A code that is drawn from N(0, I), whatever the features are; zero in evaluation."""

    def forward(self, features: Tensor) -> Code:
        """The code of features (..., dim)."""
        like = self.head(features) * 0
        z = like + torch.randn_like(like) if self.training else like
        return Code.unanchored(z, z, torch.zeros_like(z), z.dtype)


def in_form(run: Run, column: str, folder: Path) -> Run:
    """The run of a column: without a code, so or as wide as the nebula's model has parameters, or
    with another dropout; with noise for a code; or with metric learning."""
    if column in (NONE, WIDE, *DROPOUTS):
        change: dict[str, Any] = {"code": "none"}
        if column in DROPOUTS:
            change["dropout"] = DROPOUTS[column]
        if column == WIDE:
            change["hidden"] = run.config.hidden + _wider(run.config)
        return replace(run, config=replace(run.config, **change))
    made: dict[str, Callable[[Any], Any]] = {NOISE: _noise, METRIC: _metric}
    if column not in made:
        return run
    return replace(run, task=replace(run.task, model=partial(_model, made[column])))


def _wider(config: Any) -> int:
    """How much wider the hidden layers are with the parameters of the nebula: its posterior, its
    anchors, and what hands it on."""
    dim, latent, anchors = config.dim, config.latent_dim, config.anchors
    nebula = (dim + 1) * 2 * latent + anchors * latent + (latent + anchors + 1) * dim
    return round(nebula / (2 * config.layers * (2 * dim + 1)))


def _model(made: Callable[[Any], Any], config: Any, vocabulary: Any) -> TranslationModel:
    model = TranslationModel(config, vocabulary)
    model.bottleneck = made(config)
    if isinstance(model.bottleneck, Noise):
        model.given = torch.nn.Linear(config.latent_dim, config.dim)
    return model


def _noise(config: Any) -> Noise:
    return Noise(config.dim, config.latent_dim)


def _metric(config: Any) -> Nebula:
    return Nebula(
        config.dim,
        config.anchors,
        config.latent_dim,
        weight=config.nebula_weight,
        metric_weight=METRIC_WEIGHT,
    )


def on_test(outcome: Outcome, run: Run) -> Table:
    """The task's own measures of the test files."""
    evaluation = Evaluation(
        run.task,
        outcome.model,
        run.config,
        None,
        lambda items: evaluation_batches(items, run.training),
    )
    return evaluate(evaluation, test=True).overall
