"""How far joints are from the truth, beside the mean hand of training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from nvc3d.geometry.hand_joints import FINGERS, JOINTS
from nvc3d.metrics import hand_pose as measured_by
from nvc3d.tasks.hand_pose.model import HandPoseModel
from nvc3d.tasks.hand_pose.pictures import Shown
from nvc3d.tasks.task import Batch, Measure, Measured, Table, evaluating

ANSWERS = 8
"""How many answers are drawn from codes that have several."""
WITHIN = 20.0
"""A frame is right where its mean, or greatest, error is at most so many mm."""
ROOT = JOINTS.index("wrist")
ROWS = ("hand pose", "mean hand")
BEST = f"best_of_{ANSWERS}_mm"
MEASURES = (
    Measure("mean_error_mm", 2, lower_is_better=True, unit="mm"),
    Measure("root_relative_mm", 2, lower_is_better=True, unit="mm"),
    Measure("pa_mm", 2, lower_is_better=True, unit="mm"),
    Measure("pa_reflect_mm", 2, lower_is_better=True, unit="mm"),
    Measure("auc_0_50"),
    Measure("auc_20_50"),
    Measure("frames_mean_within_20"),
    Measure("frames_max_within_20"),
    Measure("expected_mm", 2, unit="mm"),
    Measure(BEST, 2, lower_is_better=True, unit="mm"),
    Measure("spread_mm", 2, unit="mm"),
)


def metrics(
    model: HandPoseModel,
    batches: Iterable[Batch],
    groups: Sequence[str],
    *,
    refine: bool = False,
) -> Measured:
    """The field's measures of the joints that the truth has and training told, of the model and of
    the mean hand of training about the mean of the points: of all hands, of each finger, and of
    each group's hands. `root_relative_mm` is relative to the wrist, nan where nobody knows it.

    `expected_mm` is the error that the model itself reckons with, nan of the mean hand. Of a code
    that has several answers, eight are drawn: the error of each hand's best, and how far they lie
    from their mean.

    With `refine` it is the refined joints of the best guess that are measured as the model's.

    Raises ValueError where there is nothing to measure, or to refine.
    """
    generator = torch.Generator().manual_seed(0)
    count = ANSWERS if model.several else 1
    kept: list[tuple[Tensor, ...]] = []
    shown = Shown(groups)
    with evaluating(model) as device:
        for batch in batches:
            points, left = batch["points"].to(device), batch["left"].to(device)
            answers = model.alternatives(points, left, count, generator)
            joints = torch.stack([answer.joints for answer in answers]).cpu()  # (K, B, 21, 3)
            mask = batch["joint_mask"].cpu() & model.learned.cpu()
            if refine:
                joints[0] = model.refined(points, left, answers).cpu()
            expected = answers[0].expected_error.cpu()
            mean = model.mean_hand(points, left).cpu()
            truth = batch["joints"].cpu()
            kept.append((joints.movedim(0, 1), truth, mask, mean, expected, batch["label"].cpu()))
            shown.add(batch, joints[0], mask, answers[0].code)
    if not kept:
        raise ValueError("there is nothing to measure: the split has no hands")
    joints, truth, mask, mean, expected, label = map(torch.cat, zip(*kept, strict=True))
    found = (joints[:, 0], mean)
    rows = {name: Row(own, truth, mask) for name, own in zip(ROWS, found, strict=True)}

    def table(chosen: Tensor) -> Table:
        own, other = (row.measures(chosen) for row in rows.values())
        own["expected_mm"] = float(expected[chosen].mean())
        other["expected_mm"] = math.nan
        if model.several:
            own |= _of_several(joints, truth, chosen)
            other |= _of_several(mean[:, None], truth, chosen)
        return dict(zip(ROWS, (own, other), strict=True))

    number = torch.arange(truth.shape[1])
    fingers = {
        name: mask & torch.isin(number, torch.tensor(numbers))
        for name, numbers in {"wrist": (0,), **FINGERS}.items()
    }
    owners = {name: mask & (label == i)[:, None] for i, name in enumerate(groups)}
    by = {
        kind: {name: table(chosen) for name, chosen in some.items() if bool(chosen.any())}
        for kind, some in (("finger", fingers), ("group", owners))
    }
    return Measured(table(mask), by, shown)


class Row:
    """Predictions (N, 21, 3) beside the truth, aligned by all joints in a mask (N, 21)."""

    def __init__(self, found: Tensor, truth: Tensor, mask: Tensor) -> None:
        self.found, self.truth = found, truth
        self.rooted, self.there = measured_by.root_aligned(found, truth, mask, root=ROOT)
        self.fitted = measured_by.procrustes_aligned(found, truth, mask)
        self.mirrored = measured_by.procrustes_aligned(found, truth, mask, reflect=True)

    def measures(self, chosen: Tensor) -> dict[str, float]:
        """The measures of those joints of the mask that are chosen, (N, 21)."""
        plain = (self.found, self.truth, chosen)
        mean = measured_by.mean_error_mm
        return {
            "mean_error_mm": mean(*plain),
            "root_relative_mm": mean(self.rooted, self.truth, self.there & chosen),
            "pa_mm": mean(self.fitted, self.truth, chosen),
            "pa_reflect_mm": mean(self.mirrored, self.truth, chosen),
            "auc_0_50": measured_by.auc_0_50(*plain),
            "auc_20_50": measured_by.auc_20_50(*plain),
            "frames_mean_within_20": measured_by.frames_mean_within(*plain, threshold=WITHIN),
            "frames_max_within_20": measured_by.frames_max_within(*plain, threshold=WITHIN),
        }


def _of_several(answers: Tensor, truth: Tensor, chosen: Tensor) -> dict[str, float]:
    """The error of the best of each hand's answers (N, K, 21, 3), and how far all lie from their
    mean."""
    errors = torch.stack(
        [measured_by.joint_errors_mm(own, truth, chosen).nanmean(1) for own in answers.unbind(1)]
    )  # (K, N)
    best = errors.amin(0).nanmean()  # of hands with no joint chosen, nan
    apart = torch.linalg.vector_norm(answers - answers.mean(1, keepdim=True), dim=-1).mean(1)
    return {BEST: float(best), "spread_mm": float(apart[chosen].mean())}
