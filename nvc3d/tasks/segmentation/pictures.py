"""What a segmentation model does, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.metrics import confined_argmax
from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.segmentation.data import NONE
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.shown import Codes, Few, spread
from nvc3d.tasks.task import Batch, Picture
from nvc3d.viz import draw_clouds

SHOWN = 8
"""Clouds in a picture."""
CODES = 5000
"""Codes of points in the map, at most."""
OF_A_CLOUD = 64
"""Points of a cloud whose codes may be in the map."""


class Shown:
    """What there is to show of a split."""

    def __init__(self, groups: Sequence[str]) -> None:
        self.groups = groups
        self.labels: list[int] = []
        self.points: list[Tensor] = []
        self.found: list[Tensor] = []
        self.true: list[Tensor] = []
        self.anchors: list[Tensor] = []
        self.codes, self._few = Codes(), Few(SHOWN)

    def add(self, model: SegmentationModel, batch: Batch, scores: Tensor, code: Code) -> None:
        """Take note of a batch, its scores (B, N, labels) and codes."""
        kept = self._few.take(batch["label"])
        labels = batch["label"][kept].tolist()
        self.labels += labels
        self.points += list(batch["points"][kept].float().cpu())
        self.true += list(batch["point_labels"][kept].cpu())
        self.found += [
            confined_argmax(own, model.vocabulary.of_group[self.groups[label]])
            if model.categories
            else own.argmax(-1)
            for own, label in zip(scores[kept], labels, strict=True)
        ]
        self.anchors += list(code.anchor[kept].cpu())
        if code.mean.dim() == 2:
            self.codes.add(code, batch["label"])
        else:  # of points, some of each cloud
            some = (slice(None), slice(None, None, max(1, code.mean.shape[1] // OF_A_CLOUD)))
            self.codes.add(code.at(some), batch["point_labels"][some])

    @property
    def of_points(self) -> bool:
        """Whether each point has a code of its own."""
        return self.anchors[0].dim() == 1


def pictures(model: SegmentationModel, shown: Shown, folder: Path) -> list[Picture]:
    """Draw `parts.png`, some clouds with the labels found and the true ones, and `latents.png`, the
    map of the codes with the anchors. Of a nebula of points, `parts.png` shows the anchors as well:
    parts that nobody labelled.

    Raises OSError where a file cannot be written.
    """
    chosen = spread(shown.labels, SHOWN)
    groups = [shown.groups[shown.labels[i]] for i in chosen]
    rows = {
        name: [_within(labels[i], model, group) for i, group in zip(chosen, groups, strict=True)]
        for name, labels in (("found", shown.found), ("truth", shown.true))
    }
    legends = [
        _names(np.concatenate([row[i] for row in rows.values()]), model, group)
        for i, group in enumerate(groups)
    ]
    if shown.of_points and isinstance(model.bottleneck, Nebula):
        rows["anchors"] = [shown.anchors[i].numpy() for i in chosen]
    path = draw_clouds(
        folder / "parts.png",
        {name: [shown.points[i].numpy() for i in chosen] for name in rows},
        groups,
        labels=rows,
        legends=legends,
    )
    names = model.vocabulary.labels if shown.of_points else shown.groups
    return [
        Picture(path, "Points with the labels found, and with the true ones."),
        shown.codes.draw(model, names, folder / "latents.png", CODES),
    ]


def _names(labels: NDArray[np.int64], model: SegmentationModel, category: str) -> dict[int, str]:
    """The names of those labels, counted as `_within` does, that occur."""
    first = model.vocabulary.of_group[category][0] if model.categories else 0
    names = {i: model.vocabulary.labels[i + first] for i in np.unique(labels).tolist() if i != NONE}
    return {i: name.removeprefix(f"{category} ") for i, name in names.items()}


def _within(labels: Tensor, model: SegmentationModel, category: str) -> NDArray[np.int64]:
    """Labels (N,) counted from the category's first part: so that few colours do."""
    first = model.vocabulary.of_group[category][0] if model.categories else 0
    within: NDArray[np.int64] = torch.where(labels == NONE, NONE, labels - first).numpy()
    return within
