"""Which few shapes are labelled: so many of each category, or those that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from results import fingerprint
from torch import Tensor

from nvc3d.checkpoint import Run
from nvc3d.nebula import representatives
from nvc3d.tasks import Splits
from nvc3d.tasks.classification.ask import latents
from nvc3d.train import train

from .content import depends

WAYS = ("random", "k-means", "anchors")


def labels_of(splits: Splits) -> list[int]:
    """The label of each training shape."""
    shapes = splits.train.shapes  # type: ignore[attr-defined]
    return [shapes.label(i) for i in range(len(shapes))]


def of_each(run: Run, column: str, output: Path, *, count: int) -> Run:
    """A run with the labels of some shapes of each category, drawn by its seed."""

    def chosen(splits: Splits) -> list[int]:
        label = np.array(labels_of(splits))
        order = np.random.default_rng(run.config.seed).permutation(len(label))
        return [int(i) for c in np.unique(label) for i in order[label[order] == c][:count]]

    return with_labels(run, chosen)


def asked_for(run: Run, way: str, output: Path, *, count: int) -> Run:
    """A run with as many labels as `count` of each category, of the shapes that are chosen, a way
    or another, by codes that were learned without any."""
    splits = run.task.splits(run.config)
    total = count * len(splits.vocabulary.groups)
    if way == "random":
        draw = np.random.default_rng(run.config.seed).permutation(len(labels_of(splits)))
        numbers = [int(i) for i in draw[:total]]
    else:
        means, anchors = unlabelled_codes(run, output)
        centres = anchors if way == "anchors" else k_means(means, total, run.config.seed)
        numbers = representatives(means, centres, total)
    return with_labels(run, lambda _: numbers)


def with_labels(run: Run, chosen: Callable[[Splits], Sequence[int]]) -> Run:
    """A run of classification with the labels of some of its training shapes."""

    def data(config: object) -> Splits:
        splits = run.task.data(config)
        clouds = splits.train.with_labels(chosen(splits))  # type: ignore[attr-defined]
        return replace(splits, train=clouds)

    return replace(run, task=replace(run.task, data=data))


def unlabelled_codes(run: Run, output: Path) -> tuple[Tensor, Tensor]:
    """The means of the codes (N, D) of the training shapes, by a nebula that learned without any
    label, and its anchors (M, D); trained once, and kept."""
    where = Path(run.config.data).name if run.config.data else "built-in"
    key = fingerprint(depends(run, where, unlabelled_codes))
    kept = output / "codes" / f"{where}-{run.config.seed}-{key}.pt"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=output, prefix=".run-") as folder:
            outcome = train(run, Path(folder), progress=False)
        if not outcome.finished:
            raise KeyboardInterrupt
        model: Any = outcome.model
        clouds: Any = outcome.splits.train
        means, _ = latents(model, clouds, run.config)
        anchors = model.bottleneck.anchors.detach()
        part = kept.with_suffix(".part")
        torch.save((means, anchors), part)
        part.replace(kept)
    means, anchors = torch.load(kept)
    return means, anchors


def k_means(latents: Tensor, count: int, seed: int) -> Tensor:
    """Centres (count, D) of latents (N, D), by scikit-learn."""
    from sklearn.cluster import KMeans

    fitted = KMeans(count, n_init=4, random_state=seed).fit(latents.numpy())
    return torch.from_numpy(fitted.cluster_centers_).to(latents)
