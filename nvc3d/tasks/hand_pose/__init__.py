"""Hand pose: from the points that a depth camera sees of a hand to its 21 joints."""

from __future__ import annotations

from nvc3d.config import TrainConfig
from nvc3d.tasks.hand_pose.answer import HandPoseAnswer, answer
from nvc3d.tasks.hand_pose.config import HandPoseConfig
from nvc3d.tasks.hand_pose.data import data
from nvc3d.tasks.hand_pose.evaluate import OPTIONS, evaluate
from nvc3d.tasks.hand_pose.loss import loss
from nvc3d.tasks.hand_pose.metrics import MEASURES, metrics
from nvc3d.tasks.hand_pose.model import HandPose, HandPoseModel, begin
from nvc3d.tasks.hand_pose.pictures import pictures
from nvc3d.tasks.hand_pose.program import program
from nvc3d.tasks.task import Task

TASK = Task(
    name="hand_pose",
    config=HandPoseConfig,
    data=data,
    model=HandPoseModel,
    begin=begin,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    training=TrainConfig(steps=12000, learning_rate=2e-3),
    evaluate=evaluate,
    options=OPTIONS,
    answer=answer,
    program=program,
)

__all__ = ["TASK", "HandPose", "HandPoseAnswer", "HandPoseConfig", "HandPoseModel"]
