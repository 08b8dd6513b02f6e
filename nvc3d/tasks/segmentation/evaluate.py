"""What a segmentation model is worth, by the options of `nvc3d eval`."""

from __future__ import annotations

from nvc3d.tasks.evaluation import Evaluation
from nvc3d.tasks.segmentation.data import LabelledPoints
from nvc3d.tasks.segmentation.whole import measure_scenes, scenes_of
from nvc3d.tasks.task import Measured, Option

OPTIONS = (
    Option(
        "whole",
        "every point of the scenes, by votes of blocks that overlap, as the field reports it, and "
        "not blocks drawn at random; a million points take minutes",
    ),
)


def evaluate(asked: Evaluation, whole: bool = False) -> Measured:
    """The task's metrics, of blocks of scenes or of whole scenes.

    Raises ValueError on whole scenes of a model of parts, and where there is nothing to measure.
    """
    if not whole:
        return asked.measured()
    val = asked.splits().val
    assert isinstance(val, LabelledPoints)
    scenes = scenes_of(val)
    return Measured(measure_scenes(asked.model, asked.wanted, scenes))
