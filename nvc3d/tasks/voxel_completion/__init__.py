"""Voxel completion: from the voxels that one look shows to all of them, with their classes where
those are known."""

from __future__ import annotations

from nvc3d.tasks.task import Task
from nvc3d.tasks.voxel_completion.answer import answer
from nvc3d.tasks.voxel_completion.config import VoxelCompletionConfig
from nvc3d.tasks.voxel_completion.data import data
from nvc3d.tasks.voxel_completion.loss import loss
from nvc3d.tasks.voxel_completion.metrics import MEASURES, metrics
from nvc3d.tasks.voxel_completion.model import VoxelCompletion, VoxelCompletionModel, begin
from nvc3d.tasks.voxel_completion.pictures import pictures
from nvc3d.tasks.voxel_completion.program import program

TASK = Task(
    name="voxel_completion",
    config=VoxelCompletionConfig,
    data=data,
    model=VoxelCompletionModel,
    begin=begin,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    answer=answer,
    program=program,
)

__all__ = ["TASK", "VoxelCompletion", "VoxelCompletionConfig", "VoxelCompletionModel"]
