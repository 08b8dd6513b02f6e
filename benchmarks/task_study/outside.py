"""How well scores tell shapes of categories that were never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nvc3d.checkpoint import Run
from nvc3d.geometry.mesh import Shape
from nvc3d.metrics import auroc
from nvc3d.nebula import GaussianHead, Nebula
from nvc3d.tasks import Splits
from nvc3d.tasks.classification.data import ClassifiedClouds
from nvc3d.tasks.task import Table, evaluating
from nvc3d.tasks.vocabulary import Vocabulary
from nvc3d.train import Outcome, evaluation_batches

from .mixtures import mixture

ROW = "AUROC"
SCORES = (
    *("max softmax", "energy", "Mahalanobis", "mixture fitted afterwards"),
    *("own density", "nearest anchor"),
)


@dataclass(frozen=True)
class Some:
    """Some of the shapes of a set; those of categories that are not among its own have none."""

    shapes: ClassifiedClouds
    numbers: Sequence[int]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[Shape, int, str]:
        shape, _, name = self.shapes.shapes[self.numbers[index]]
        return shape, self.label(index), name

    def label(self, index: int) -> int:
        known = self.shapes.shapes
        category = known.categories[known.label(self.numbers[index])]
        return self.categories.index(category) if category in self.categories else -1


def without_some(run: Run, column: str, output: Path) -> Run:
    """A run that never sees a third of the categories, and is measured on all."""

    def data(config: object) -> Splits:
        splits = run.task.data(config)
        names = np.array(splits.vocabulary.groups)
        order = np.random.default_rng(run.config.seed).permutation(len(names))
        seen = tuple(sorted(names[order[round(len(names) / 3) :]].tolist()))
        train, val = splits.train, splits.val
        assert isinstance(train, ClassifiedClouds) and isinstance(val, ClassifiedClouds)
        told = Some(train, range(len(train.shapes)), seen)
        learned = Some(train, [i for i in told.numbers if told.label(i) >= 0], seen)
        every = Some(val, range(len(val.shapes)), seen)
        return Splits(
            ClassifiedClouds(learned, config, training=True),  # type: ignore[arg-type]
            ClassifiedClouds(every, config, training=False),  # type: ignore[arg-type]
            Vocabulary(seen),
        )

    return replace(run, task=replace(run.task, data=data))


def told_apart(outcome: Outcome, run: Run) -> Table:
    """AUROC of each score for categories that were never seen, and the accuracy on the others."""
    model, train = outcome.model, outcome.splits.train
    assert isinstance(train, ClassifiedClouds)
    plain = ClassifiedClouds(train.shapes, run.config, training=False)
    known, label, _ = codes(outcome, run, plain)
    means, truth, scores = codes(outcome, run, outcome.splits.val)
    fitted = mixture(known, run.config)
    density = -torch.from_numpy(fitted.score_samples(means.double().numpy()))
    found = {
        "max softmax": -scores.softmax(1).amax(1),
        "energy": -scores.logsumexp(1),
        "Mahalanobis": mahalanobis(means, known, label),
        "mixture fitted afterwards": density,
    }
    head = model.bottleneck
    if isinstance(head, Nebula):
        found["own density"] = head.novelty(means).nats
        found["nearest anchor"] = torch.cdist(means, head.anchors.detach()).amin(1)
    elif isinstance(head, GaussianHead):
        found["own density"] = means.square().sum(1)
    outside = truth < 0
    right = (scores.argmax(1) == truth)[~outside].double().mean()
    return {
        ROW: {name: auroc(score, outside) for name, score in found.items()},
        "of those seen": {"accuracy": float(right)},
    }


def codes(outcome: Outcome, run: Run, items: object) -> tuple[Tensor, Tensor, Tensor]:
    """Means of the codes (B, D), labels (B,) and scores (B, categories) of clouds."""
    rows = []
    with evaluating(outcome.model):
        for batch in evaluation_batches(items, run.training):  # type: ignore[arg-type]
            result = outcome.model(batch["points"], batch["size"])
            rows.append((result.code.mean, batch["label"], result.scores))
    means, label, scores = (torch.cat(part) for part in zip(*rows, strict=True))
    return means, label, scores


def mahalanobis(latents: Tensor, known: Tensor, label: Tensor) -> Tensor:
    """Least squared distance (B,) of latents (B, D) to the mean of a category of those known (N, D)
    in the metric of their covariance within categories. (Lee, Lee, Lee, Shin, "A Simple Unified
    Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018.)"""
    wide, known = latents.double(), known.double()
    present = label.unique()
    means = torch.stack([known[label == c].mean(0) for c in present])  # (C, D)
    rest = known - means[torch.searchsorted(present, label)]
    covariance = rest.mT @ rest / len(rest)
    floor = 1e-6 * covariance.diagonal().mean()
    root = torch.linalg.cholesky(covariance + floor * torch.eye(len(covariance)))
    white = torch.linalg.solve_triangular(root, torch.cat([wide, means]).mT, upper=False).mT
    return torch.cdist(white[: len(wide)], white[len(wide) :]).amin(1).square()
