"""A trained model, ready to answer: `nvc3d.load`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from nvc3d.card import card, read_measured
from nvc3d.checkpoint import CheckpointError, Run, load_run, save_config, save_json, save_weights
from nvc3d.config import TrainConfig
from nvc3d.extras import require
from nvc3d.files import read_shape
from nvc3d.geometry.mesh import Cloud
from nvc3d.interop import as_shape, several
from nvc3d.tasks import Task
from nvc3d.tasks.task import UNTOLD, Answer
from nvc3d.tasks.vocabulary import Vocabulary

TRAVELS = ("config.json", "model.safetensors", "metrics.json")
"""Of a run, what a model elsewhere needs."""


class Model:
    """A model of a task: called with shapes, it answers.

    `save_pretrained(folder)` writes it with its card, `push_to_hub("name/model")` also to the
    Hugging Face Hub, by the methods of huggingface_hub's own mixin, which is imported when they are
    called: it takes a while, and one who loads a model has no need of it. `from_pretrained` loads
    either.

    Args:
        task: what it was trained for.
        config: its task's config; the model half alone will do.
        network: its trained network.
        vocabulary: the names of its data.
        training: how it was trained.
        measured: what its run's metrics.json holds.
    """

    def __init__(
        self,
        task: Task,
        config: Any,
        network: nn.Module,
        vocabulary: Vocabulary,
        training: TrainConfig | None = None,
        measured: dict[str, Any] | None = None,
    ) -> None:
        self.task, self.config = task, config
        self.network, self.vocabulary = network.eval(), vocabulary
        self.training, self.measured = training or task.training, measured or {}

    def __call__(self, shapes: Any, **options: Any) -> Any:
        """The answer of a shape, or a list of answers of several.

        Args:
            shapes: an array or tensor (N, 3), a Cloud or a Mesh, or what `nvc3d.interop.as_shape`
                knows of other libraries; a list, a tuple or an array (B, N, 3) of such, or a batch
                of PyTorch3D or PyTorch Geometric. A batch of columns, as `map_batches` of Ray Data
                has it, with `path` of files or `points` of clouds among them, comes back with a
                column more, `answer`. Of tasks of `nvc3d.adapters` what those are of.
            options: those of the task: `seed`; of segmentation also `category`, of completion
                `samples`, of hand pose `side`, `centre`, `cube`, `samples` and `refine`, of planes
                `up` and `manhattan`.

        Raises ValueError on shapes and options that make no sense.
        """
        if not self.task.of_shapes:
            return self._said(shapes, options)
        if isinstance(shapes, Mapping):
            return {**shapes, "answer": self._of_batch(shapes, options)}
        batch = several(shapes)
        if batch is not None:
            return [self._answer(shape, options) for shape in batch]
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

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Model:
        """The model of a folder that `save_pretrained` wrote, or of any run; or, where there is no
        such folder, that of a repository of the hub.

        Args:
            pretrained_model_name_or_path: a folder, or NAME/MODEL.
            options: those of `huggingface_hub.snapshot_download`: `revision`, `token`, `cache_dir`,
                `force_download`, `local_files_only`.

        Raises CheckpointError as `load` does, and where the hub has no such model.
        """
        folder = Path(pretrained_model_name_or_path)
        if not folder.exists():
            folder = _downloaded(str(pretrained_model_name_or_path), options)
        return load(folder)

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> Any:
        """Write config, weights, measures and card to a folder; options are those of
        `ModelHubMixin.save_pretrained`: `model_card_kwargs`, `push_to_hub`, `repo_id`."""
        # The config of the model is its own: the mixin is not asked to write one.
        options["config"] = {}
        return _hub().ModelHubMixin.save_pretrained(self, save_directory, **options)

    def push_to_hub(self, repo_id: str, **options: Any) -> Any:
        """Upload what `save_pretrained` writes to a repository of the hub; options are those of
        `ModelHubMixin.push_to_hub`: `token`, `private`, `commit_message`, `branch`. Gives the URL
        of the commit."""
        return _hub().ModelHubMixin.push_to_hub(self, repo_id, **options)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Write config, weights and measures; nothing of them names a folder of their owner."""
        save_config(save_directory, self._run)
        save_weights(self.network, save_directory / "model.safetensors")
        if self.measured:
            save_json(save_directory / "metrics.json", self.measured)

    def generate_model_card(self, license: str | None = None, name: str = ".", **_: Any) -> Any:
        """The card, by the run's own numbers: its measures beside their baselines, splits, seed and
        configs; `license` is an identifier of the hub, `name` that by which it will be loaded."""
        return _hub().ModelCard(card(self._run, self.measured, name, license))

    @property
    def _run(self) -> Run:
        """The run as others may know it."""
        config = self.config
        if config.data is not None:
            config = dataclasses.replace(config, data=UNTOLD)
        return Run(self.task, config, self.training, self.vocabulary)

    def to(self, device: torch.device | str) -> Model:
        """Move the network to a device; gives the model itself."""
        self.network.to(device)
        return self

    def _answer(self, shape: Any, options: dict[str, Any]) -> Answer:
        said: Answer = self._said(as_shape(shape), options)
        return said

    def _of_batch(self, batch: Mapping[str, Any], options: dict[str, Any]) -> np.ndarray:
        """The answers (B,) of a batch of columns."""
        if "path" in batch:
            given = [read_shape(path) for path in batch["path"]]
        elif "points" in batch:
            given = [*batch["points"]]
        else:
            raise ValueError(
                f"expected a batch with a column path or points, got {', '.join(batch) or 'none'}"
            )
        answers = np.empty(len(given), object)
        for index, shape in enumerate(given):
            answers[index] = self._answer(shape, options)
        return answers

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
    path = Path(path)
    measured = read_measured((path if path.is_dir() else path.parent) / "metrics.json")
    model = Model(run.task, run.config, network, run.vocabulary, run.training, measured)
    return model.to(device)


def _hub() -> ModuleType:
    return require("huggingface_hub", "to share models and to load those of others")


def _downloaded(name: str, options: dict[str, Any]) -> Path:
    """A copy of a repository of the hub, of what a model needs alone."""
    hub = _hub()
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(TRAVELS), **options))
    except (hub.errors.HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{name} is neither a folder nor a model that the hub gives ({reason[0]})"
        ) from None
