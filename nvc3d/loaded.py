"""A trained model, ready to answer: `nvc3d.load`."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nvc3d.checkpoint import load_run
from nvc3d.geometry.mesh import Cloud
from nvc3d.interop import as_shape
from nvc3d.tasks import Task
from nvc3d.tasks.task import Answer
from nvc3d.tasks.vocabulary import Vocabulary


class Model:
    """A model of a task: called with shapes, it answers.

    Args:
        task: what it was trained for.
        config: its task's config; the model half alone will do.
        network: its trained network.
        vocabulary: the names of its data.
    """

    def __init__(self, task: Task, config: Any, network: nn.Module, vocabulary: Vocabulary) -> None:
        self.task, self.config = task, config
        self.network, self.vocabulary = network.eval(), vocabulary

    def __call__(self, shapes: Any, **options: Any) -> Any:
        """The answer of a shape, or a list of answers of several.

        Args:
            shapes: an array or tensor (N, 3), a Cloud or a Mesh, or what `nvc3d.interop.as_shape`
                knows of other libraries; a list, a tuple or an array (B, N, 3) of such. Of tasks of
                `nvc3d.adapters` what those are of.
            options: those of the task: `seed`; of segmentation also `category`, of completion
                `samples`, of hand pose `side`, `centre`, `cube`, `samples` and `refine`, of planes
                `up` and `manhattan`.

        Raises ValueError on shapes and options that make no sense.
        """
        if not self.task.of_shapes:
            return self._said(shapes, options)
        several = isinstance(shapes, list | tuple) or getattr(shapes, "ndim", 0) == 3
        if several:
            return [self._answer(shape, options) for shape in shapes]
        return self._answer(shapes, options)

    def generate(self, count: int, seed: int = 0) -> list[Cloud]:
        """New shapes like those learned from, `count` of them, as clouds.

        Raises ValueError where the model cannot: only those of classification that were trained
        with `reconstruct`, and a nebula or VAE, do.
        """
        generate: Any = getattr(self.network, "generate", None)
        if generate is None:
            raise ValueError(f"models of task {self.task.name} generate no shapes")
        clouds = generate(count, torch.Generator().manual_seed(seed))
        return [Cloud(points) for points in clouds.float().cpu().numpy()]

    def to(self, device: torch.device | str) -> Model:
        """Move the network to a device; gives the model itself."""
        self.network.to(device)
        return self

    def _answer(self, shape: Any, options: dict[str, Any]) -> Answer:
        said: Answer = self._said(as_shape(shape), options)
        return said

    def _said(self, what: Any, options: dict[str, Any]) -> Any:
        if self.task.answer is None:
            raise ValueError(f"models of task {self.task.name} answer on the command line only")
        try:
            return self.task.answer(self.network, self.config, what, **options)
        except TypeError as error:
            if "unexpected keyword" in str(error):
                raise ValueError(f"task {self.task.name}: {error}") from None
            raise

    def __repr__(self) -> str:
        parameters = sum(p.numel() for p in self.network.parameters())
        return f"Model(task={self.task.name!r}, parameters={parameters:,})"


def load(path: str | PathLike[str], device: torch.device | str = "cpu") -> Model:
    """The model of a run folder.

        model = nvc3d.load("runs/classification")
        model(points).category

    Args:
        path: the run folder, or any file of it.
        device: where the network goes.

    Raises CheckpointError where something is missing, damaged, or written by a newer nvc3d.
    """
    run, network = load_run(Path(path))
    assert run.vocabulary is not None
    return Model(run.task, run.config, network, run.vocabulary).to(device)
