"""What a model of hand pose does, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from nvc3d.metrics.hand_pose import joint_errors_mm
from nvc3d.nebula import Code
from nvc3d.tasks.hand_pose.model import HandPoseModel
from nvc3d.tasks.shown import Codes
from nvc3d.tasks.task import Batch, Picture
from nvc3d.viz.hands import DrawnHand, draw_hands

KEPT = 256
"""Hands among which those to show are chosen: the first of the split."""
SHOWN = 4
"""Hands in each half of the picture."""


class Shown:
    """What there is to show of a split."""

    def __init__(self, groups: Sequence[str]) -> None:
        self.groups = groups
        self.codes = Codes()
        self._kept: list[tuple[Tensor, ...]] = []
        self._names: list[str] = []

    def add(self, batch: Batch, joints: Tensor, mask: Tensor, code: Code) -> None:
        """Take note of a batch, the joints found (B, 21, 3), which count (B, 21), and the codes."""
        self.codes.add(code, batch["label"])
        room = KEPT - len(self._names)
        parts = (batch["points"], joints, batch["joints"], mask)
        self._kept.append(tuple(part[:room].float().cpu() for part in parts))
        self._names += batch["name"][:room]

    def chosen(self) -> list[DrawnHand]:
        """Hands of middling error, then those of the greatest."""
        points, found, truth, mask = map(torch.cat, zip(*self._kept, strict=True))
        errors = joint_errors_mm(found, truth, mask.bool()).nanmean(1).nan_to_num(0)
        order = errors.argsort().tolist()
        middle = max(0, len(order) // 2 - SHOWN // 2)
        numbers = dict.fromkeys(order[middle : middle + SHOWN] + order[-SHOWN:])
        known = mask[..., None] > 0
        found, truth = (torch.where(known, own, torch.nan) for own in (found, truth))
        return [
            DrawnHand(
                f"{self._names[i]}: {float(errors[i]):.1f} mm",
                points[i].numpy(),
                found[i].numpy(),
                truth[i].numpy(),
            )
            for i in numbers
        ]


def pictures(model: HandPoseModel, shown: Shown, folder: Path) -> list[Picture]:
    """Draw `poses.png`, the joints of some hands beside the truth, and `latents.png`, the map of
    all codes with the anchors.

    Raises OSError where a file cannot be written.
    """
    path = draw_hands(folder / "poses.png", shown.chosen())
    return [
        Picture(path, "Hands of middling and of the greatest error, over the truth in grey."),
        shown.codes.draw(model, shown.groups, folder / "latents.png"),
    ]
