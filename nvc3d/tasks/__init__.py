"""Tasks: each is a folder that says what its data, model, loss, metrics and pictures are."""

from __future__ import annotations

from nvc3d.tasks import classification, completion, segmentation, voxel_completion
from nvc3d.tasks.task import Batch, Splits, Table, Task

TASKS: dict[str, Task] = {
    task.name: task
    for task in (completion.TASK, voxel_completion.TASK, segmentation.TASK, classification.TASK)
}

__all__ = [
    "TASKS",
    "Batch",
    "Splits",
    "Table",
    "Task",
    "classification",
    "completion",
    "segmentation",
    "voxel_completion",
]
