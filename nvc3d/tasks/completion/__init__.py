"""Completion: from the points that one look at a shape gives to the points of all of it."""

from __future__ import annotations

from nvc3d.tasks.completion.answer import answer
from nvc3d.tasks.completion.config import CompletionConfig
from nvc3d.tasks.completion.data import data
from nvc3d.tasks.completion.evaluate import OPTIONS, evaluate
from nvc3d.tasks.completion.loss import loss
from nvc3d.tasks.completion.metrics import MEASURES, metrics
from nvc3d.tasks.completion.model import Completion, CompletionModel, begin
from nvc3d.tasks.completion.pictures import pictures
from nvc3d.tasks.completion.program import program
from nvc3d.tasks.task import Task

TASK = Task(
    name="completion",
    config=CompletionConfig,
    data=data,
    model=CompletionModel,
    begin=begin,
    loss=loss,
    metrics=metrics,
    pictures=pictures,
    measures=MEASURES,
    evaluate=evaluate,
    options=OPTIONS,
    answer=answer,
    program=program,
)

__all__ = ["TASK", "Completion", "CompletionConfig", "CompletionModel"]
