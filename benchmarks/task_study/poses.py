"""Hand pose: forms of the nebula, and what a look at the nearest hand of training would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.checkpoint import Run
from nvc3d.metrics import hand_pose as measured_by
from nvc3d.tasks.hand_pose.model import to_frame
from nvc3d.tasks.task import Items, Table
from nvc3d.train import Outcome

from .setting import tables

FORMS = ("side", "exemplars")
"""Of a nebula, beside the one whose code is handed on."""
COLUMNS = ("plain", "vae", *FORMS, "nebula")
NEAREST = "nearest hand"
KNOWN = 1000
"""Hands of training among which the nearest is looked for."""
ASKED = 300
"""Hands that it is looked for."""
POINTS = 128
"""Points by which they are compared."""


def in_form(run: Run, column: str, folder: Path) -> Run:
    """The run with the form of the nebula that a column names."""
    if column not in FORMS:
        return run
    return replace(run, config=replace(run.config, nebula_form=column))


def beside_nearest(outcome: Outcome, run: Run) -> Table:
    """The task's own measures, and those of the joints of the training hand whose points are
    nearest by Chamfer distance, both in their own frames."""
    known, asked = _first(outcome.splits.train, KNOWN), _first(outcome.splits.val, ASKED)
    clouds, centre, frame = to_frame(known["points"], known["left"])
    joints = (known["joints"] - centre[:, None]) @ frame
    given, middle, axes = to_frame(asked["points"], asked["left"])
    nearest = torch.stack([_distances(cloud, clouds).argmin() for cloud in given])
    found = joints[nearest] @ axes.mT + middle[:, None]
    plain = found, asked["joints"], asked["joint_mask"]
    row = {
        "mean_error_mm": measured_by.mean_error_mm(*plain),
        "pa_mm": measured_by.pa_mm(*plain),
        "auc_0_50": measured_by.auc_0_50(*plain),
    }
    return tables(outcome, run) | {NEAREST: row}


def _distances(cloud: Tensor, clouds: Tensor) -> Tensor:
    """Chamfer distances (N,) of a cloud (P, 3) to others (N, P, 3), of their first points."""
    some = clouds[:, :POINTS]
    return ops.chamfer_distance(
        cloud[:POINTS].expand(len(some), -1, -1).contiguous(), some, batch_reduction=None
    )


def _first(items: Items, count: int) -> dict[str, Tensor]:
    """The tensors of the first items."""
    some = [items[i] for i in range(min(count, len(items)))]
    names = ("points", "left", "joints", "joint_mask")
    return {name: torch.stack([item[name] for item in some]) for name in names}
