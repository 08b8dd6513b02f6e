"""The plain networks of each task: what they are given, and what they lower."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from references.dgcnn import DGCNN
from references.pcn import PCN
from references.pcn import loss as pcn_loss
from references.pointnet import PointNet, PointNetLabels
from references.pointnet2 import PointNet2, PointNet2Labels
from references.training import augmented
from references.unet import UNet
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from nvc3d.tasks.task import Batch
from nvc3d.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class Reference:
    """A network, and how a batch is shown to it."""

    make: Callable[[Vocabulary], nn.Module]
    given: Callable[[Batch], Tensor]
    missed: Callable[[Any, Batch], Tensor]
    """(what the network says, batch) -> what it lowers"""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """What it lowers on a batch."""
        return self.missed(model(self.given(batch)), batch)


def moved(batch: Batch) -> Batch:
    """A batch of points turned, scaled and jittered."""
    return batch | {"points": augmented(batch["points"])}


def _of_categories(make: Callable[[int], nn.Module]) -> Reference:
    return Reference(
        lambda known: make(len(known.groups)),
        lambda batch: batch["points"],
        lambda scores, batch: cross_entropy(scores, batch["label"]),
    )


def _of_labels(make: Callable[[int, int], nn.Module]) -> Reference:
    return Reference(
        lambda known: make(3 + known.channels, len(known.labels)),
        _described,
        lambda scores, batch: cross_entropy(
            scores.transpose(1, 2), batch["point_labels"], ignore_index=-1
        ),
    )


def _described(batch: Batch) -> Tensor:
    """Points (B, N, 3 + C) with their features."""
    return torch.cat([batch[name] for name in ("points", "features") if name in batch], 2)


REFERENCES: dict[str, dict[str, Reference]] = {
    "classification": {
        "PointNet": _of_categories(PointNet),
        "PointNet++": _of_categories(PointNet2),
        "DGCNN": _of_categories(DGCNN),
    },
    "segmentation": {
        "PointNet": _of_labels(PointNetLabels),
        "PointNet++": _of_labels(PointNet2Labels),
    },
    "completion": {
        "PCN": Reference(
            lambda known: PCN(),
            lambda batch: batch["partial"],
            lambda clouds, batch: pcn_loss(clouds, batch["complete"]),
        )
    },
    "voxel_completion": {
        "3-D U-Net": Reference(
            lambda known: UNet(),
            lambda batch: batch["view"],
            lambda scores, batch: binary_cross_entropy_with_logits(
                scores, (batch["grid"] > 0).float()
            ),
        )
    },
}
