"""Run folders: what a run saves of itself, whole at every moment, and how it is read back.

config.json         the task, its config in two halves (model, data), the names of its data, and the
                    training config; which folder was trained on is not in it (see nvc3d.local)
model.safetensors   the weights
best.safetensors    the weights of the checkpoint that was validated best
state.pt            all that is needed to go on: weights, optimiser, random numbers, step
state-STEP.pt       those before, where more than one is kept
metrics.json        the measures of the finished model
losses.csv          the losses, every few steps
ask.txt             which shapes to label first, where that was asked for
log/                TensorBoard
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy
import torch
from torch import Tensor, nn

from nvc3d import __version__, local
from nvc3d.atomic import atomic_write
from nvc3d.config import TrainConfig, from_dict, jsonable, to_dict
from nvc3d.extras import require
from nvc3d.tasks import TASKS, Task, format1, format2
from nvc3d.tasks.halves import halves
from nvc3d.tasks.task import UNTOLD
from nvc3d.tasks.vocabulary import Vocabulary

FORMAT = 3
BEST = "best.safetensors"
FILES = (
    "config.json",
    "model.safetensors",
    BEST,
    "state.pt",
    "metrics.json",
    "losses.csv",
    "ask.txt",
)


class CheckpointError(ValueError):
    """A run folder, or a file in one, is missing, damaged, or not what was asked for."""


@dataclass(frozen=True)
class Run:
    """A run as its config.json has it."""

    task: Task
    config: Any
    """the task's config, of both halves"""
    training: TrainConfig
    vocabulary: Vocabulary | None = None
    """what the model knows of its data; None before the data were seen"""

    id: str = ""
    """by which this machine knows where the data of the run lie"""


def load_run(
    folder: str | Path, *, task: str | Sequence[str] | None = None
) -> tuple[Run, nn.Module]:
    """A finished or stopped run and its model, on the CPU and in evaluation mode.

    `folder` is the run folder or any file of it; best.safetensors asks for those weights. Raises
    CheckpointError where something is missing, damaged, written by a newer nvc3d, or made by
    another task than `task`, or than any of several.
    """
    folder = Path(folder)
    name = BEST if folder.name == BEST else "model.safetensors"
    if folder.is_file():
        folder = folder.parent
    run = load_config(folder)
    wanted = [task] if isinstance(task, str) else task
    if wanted is not None and run.task.name not in wanted:
        raise CheckpointError(
            f"{folder} holds a model of task {run.task.name}, not of {' or '.join(wanted)}"
        )
    format, weights = read_weights(folder / name)
    if run.vocabulary is None:
        run = replace(run, vocabulary=_names_among(weights, run.task.name, folder))
    assert run.vocabulary is not None
    if format < 3:
        weights = format2.weights(weights, run.config, run.vocabulary)
    try:
        model = run.task.model(run.config, run.vocabulary)
    except (MemoryError, OverflowError, RuntimeError, TypeError) as error:
        # Sizes beyond any machine; torch calls those beyond 64 bits a wrong type.
        raise CheckpointError(
            f"{folder} describes a model that cannot be made: {str(error).splitlines()[0]}"
        ) from None
    _fill(model, weights, folder / name)
    return run, model.eval()


def holds_run(folder: Path) -> bool:
    """Whether there is a checkpoint in a folder. One with a config alone, of a run that was killed
    before it had saved any, is as good as empty."""
    return any((folder / name).exists() for name in ("model.safetensors", "state.pt"))


def prepare(folder: Path, model: nn.Module, processes: int = 1, keep: int = 1) -> None:
    """Make the run folder, free of what a killed run left half-written.

    Raises OSError where the disk cannot hold so many checkpoints of a run of so many processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        for stale in folder.glob(f".{name}.*.tmp"):
            stale.unlink()
    parameters = sum(p.nbytes for p in model.parameters())
    learned = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    buffers = sum(b.nbytes for b in model.buffers())
    weights = parameters + buffers
    state = parameters + 2 * learned + processes * buffers  # with the two moments of the optimiser
    # A file is there twice while it is being replaced; those of a run before make room.
    files = [*(folder / name for name in FILES), *_kept(folder)]
    present = sum(file.stat().st_size for file in files if file.is_file())
    needed = 2 * weights + keep * state + max(weights, state) + 2**20 - present
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"the disk of {folder} has {free / 1e6:.1f} MB free; checkpoints need "
            f"{needed / 1e6:.1f} MB"
        )


def clear(folder: Path) -> None:
    """Delete the run that a folder holds."""
    for path in [*(folder / name for name in FILES), *_kept(folder)]:
        path.unlink(missing_ok=True)


def keep_state(folder: Path, step: int, count: int) -> None:
    """Let the state just written stay beside those to come, and delete all but the newest, and
    those of steps that a run which went on from an earlier one has yet to take."""
    for path in _kept(folder):
        if int(path.stem[6:]) > step:
            path.unlink()
    if count > 1:
        path = folder / f"state-{step}.pt"
        path.unlink(missing_ok=True)
        try:
            os.link(folder / "state.pt", path)  # no byte is written twice
        except OSError:  # a file system without links
            shutil.copyfile(folder / "state.pt", path)
    for path in _kept(folder)[count if count > 1 else 0 :]:
        path.unlink()


def keep_resumed(folder: Path, step: int, count: int) -> None:
    """The same of the state that a run goes on from: it may have been killed before that."""
    if not (folder / f"state-{step}.pt").exists():
        keep_state(folder, step, count)


def load_newest(folder: Path, config: Any = None) -> dict[str, Any]:
    """The newest state in a run folder that can be read, as `load_state`; of one that is damaged,
    a warning. Raises CheckpointError, of the newest, where none can be."""
    try:
        return load_state(folder / "state.pt", config)
    except CheckpointError as error:
        for path in _kept(folder):
            try:
                state = load_state(path, config)
            except CheckpointError:
                continue
            warnings.warn(f"{error}; the run goes on from {path.name}", stacklevel=2)
            return state
        raise


def _kept(folder: Path) -> list[Path]:
    """The states beside the newest one, the last first."""
    found = [path for path in folder.glob("state-*.pt") if path.stem[6:].isdecimal()]
    return sorted(found, key=lambda path: int(path.stem[6:]), reverse=True)


def save_config(folder: Path, run: Run) -> None:
    """Write config.json."""
    model, data = halves(run.config)
    name = run.id or uuid4().hex
    if data["data"] not in (None, UNTOLD):
        local.remember(name, data["data"])
        data["data"] = UNTOLD
    values = {
        "format": FORMAT,
        "task": run.task.name,
        "id": name,
        "model": jsonable(model),
        "data": jsonable(data),
        "vocabulary": run.vocabulary.to_dict() if run.vocabulary else None,
        "training": to_dict(run.training),
        "versions": {
            "nvc3d": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
        },
    }
    save_json(folder / "config.json", values)


def load_config(path: str | Path) -> Run:
    """The run that a config.json, or the folder with one, describes.

    Raises CheckpointError where it is missing, damaged or written by a newer nvc3d.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "config.json"
    if not path.exists():
        raise CheckpointError(f"there is no run of nvc3d at {path}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or not isinstance(values.get("format"), int):
            raise ValueError("it is not a config of nvc3d")
        _check_format(values["format"], path)
        if values.get("task") not in TASKS:
            raise ValueError(f"unknown task {values.get('task')!r}; known: {', '.join(TASKS)}")
        task = TASKS[values["task"]]
        if values["format"] == 1:
            values = format1.halves(values)
        model, data = (_object(values, name) for name in ("model", "data"))
        if data.get("data") == UNTOLD:
            data["data"] = local.recall(str(values.get("id"))) or UNTOLD
        config = from_dict(task.config, data | model, "config")
        training = from_dict(TrainConfig, values.get("training"), "training")
        known = values.get("vocabulary")
        vocabulary = None if known is None else Vocabulary.from_dict(known)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:  # also what is not JSON, or not text
        raise CheckpointError(f"{path} cannot be used: {error}") from None
    return Run(task, config, training, vocabulary, str(values.get("id", "")))


def _object(values: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(found := values.get(name), dict):
        raise ValueError(f"it has no object {name!r}")
    return found


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the model's parameters and buffers as safetensors, with a checksum."""
    safetensors = require("safetensors.torch", "to save models")
    # Cloned: safetensors refuses tensors that share memory, as tied weights do.
    tensors = {name: t.detach().cpu().clone() for name, t in model.state_dict().items()}
    tensors = {name: t.contiguous() for name, t in tensors.items()}
    # One entry: safetensors writes several in an order that changes from run to run.
    metadata = {"nvc3d": json.dumps({"format": FORMAT, "checksum": _checksum(tensors)})}
    with atomic_write(path) as file:
        file.write(safetensors.save(tensors, metadata))


def read_weights(path: Path) -> tuple[int, dict[str, Tensor]]:
    """The format of a file that `save_weights` wrote, and what is in it, by name.

    Raises CheckpointError where it cannot be read.
    """
    safetensors = require("safetensors", "to load models")
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: the run has not saved a model yet")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get("nvc3d", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), int):
        raise CheckpointError(f"{path} was not written by nvc3d")
    _check_format(metadata["format"], path)
    if metadata.get("checksum") != _checksum(tensors):
        raise CheckpointError(f"{path} is damaged: its checksum does not match its contents")
    return metadata["format"], tensors


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write a training state: nested dicts, lists and tuples of tensors and plain values."""
    with atomic_write(path) as file:
        torch.save(state, file)


def load_state(path: Path, config: Any = None) -> dict[str, Any]:
    """Read what `save_state` wrote, brought up to date for a run with that config.

    Raises CheckpointError where it is missing, damaged, or of a run that cannot go on today.
    """
    if not path.is_file():
        raise CheckpointError(f"there is nothing to resume: {path} is missing")
    try:
        with zipfile.ZipFile(path) as archive:
            # torch writes checksums, and does not read them.
            if (damaged := archive.testzip()) is not None:
                raise ValueError(f"the checksum of its part {damaged} does not match")
        state = torch.load(path, map_location="cpu", weights_only=True)
        format = int(state["format"])
    except Exception as error:  # the bytes of a damaged file may mean anything
        reason = str(error).splitlines() or [type(error).__name__]
        raise CheckpointError(f"{path} is damaged: {reason[0]}") from None
    _check_format(format, path)
    if format == 1:
        state["model"].pop(format1.KEY, None)
    if format < 3:
        try:
            state = format2.training(state, config)
        except ValueError as error:
            raise CheckpointError(f"{path} cannot be resumed: {error}") from None
    return dict(state)


def save_json(path: Path, values: Any) -> None:
    """Write JSON, readable by people too."""
    with atomic_write(path) as file:
        file.write(json.dumps(values, indent=2).encode() + b"\n")


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        detail = str(error).splitlines()[1:2] or [str(error)]
        raise CheckpointError(
            f"{path} does not fit the model that config.json describes: {detail[0].strip()}"
        ) from None


def _names_among(weights: dict[str, Tensor], task: str, folder: Path) -> Vocabulary:
    """The vocabulary of a run of format 1, taken out of its weights."""
    try:
        return format1.vocabulary(task, weights)
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder} is damaged: {error}") from None


def _check_format(format: int, path: Path) -> None:
    if format > FORMAT:
        raise CheckpointError(
            f"{path} was written by a newer nvc3d (format {format}; nvc3d {__version__} reads up "
            f"to {FORMAT}): run pip install --upgrade nvc3d"
        )


def _checksum(tensors: dict[str, Tensor]) -> str:
    """CRC-32 over the names, types, shapes and bytes of all tensors."""
    value = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        value = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, value)
    return f"{value:08x}"
