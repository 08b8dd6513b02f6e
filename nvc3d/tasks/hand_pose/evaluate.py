"""What a model of hand pose is worth, by the options of `nvc3d eval`."""

from __future__ import annotations

from nvc3d.tasks.evaluation import Evaluation
from nvc3d.tasks.task import Measured, Option

OPTIONS = (Option("refine", "fit a built-in hand to the joints found and the points"),)


def evaluate(asked: Evaluation, refine: bool = False) -> Measured:
    """The task's metrics. Raises ValueError where there is nothing to measure, or to refine."""
    return asked.measured(refine=refine)
