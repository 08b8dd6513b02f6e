"""The training loop: one for every task, on one process or many."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from nvc3d import processes
from nvc3d.allocation import keep_freed_memory
from nvc3d.checkpoint import (
    BEST,
    FORMAT,
    CheckpointError,
    Run,
    clear,
    holds_run,
    keep_state,
    load_newest,
    prepare,
    read_weights,
    save_config,
    save_state,
    save_weights,
)
from nvc3d.claim import claimed
from nvc3d.config import TrainConfig
from nvc3d.data.naming import named
from nvc3d.extras import require
from nvc3d.interruption import Interruption, shielded
from nvc3d.journal import Journal
from nvc3d.randomness import random_state, seed, set_random_state
from nvc3d.standing import Standing, averaged, not_finite, parts
from nvc3d.tasks import Batch, Splits
from nvc3d.tasks.task import Items

VALIDATION_BATCHES = 16  # at most, at each checkpoint
SKIPS = 20  # steps in a row that float16's loss scaler may skip before we call it divergence
PRECISIONS = {"float32": "no", "float16": "fp16", "bfloat16": "bf16"}  # ours: Accelerate's


NEEDED = (
    ("accelerate", "to train"),
    ("safetensors", "to save models"),
    ("tensorboard", "to log training"),
    ("tqdm", "to show progress"),
)


class NonFiniteLoss(ArithmeticError):
    """The loss or its gradient became NaN or infinite; nothing of that step was kept."""


@dataclass(frozen=True)
class Outcome:
    """What training ended with."""

    model: nn.Module
    """trained, in evaluation mode"""
    splits: Splits
    step: int
    """optimiser steps taken, those before a resume included"""
    finished: bool
    """False where a signal ended it early; the run can be resumed then"""
    main: bool
    """True on the one process that writes files"""


Rehearsal = Callable[[nn.Module, Splits], None]
"""(untrained model, data): does in small what will be done with the trained model."""


def train(
    run: Run,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    rehearsal: Rehearsal | None = None,
) -> Outcome:
    """Train `run.task` and keep checkpoints in `folder`, from which `resume` goes on.

    On the CPU a resumed run, of as many processes, ends with the same bits as one that was never
    stopped, unless `max_minutes` is set. Signals (SIGINT, SIGTERM, SIGHUP, SIGUSR1, ...) end the
    run after the current step, saved. Several processes, started by `torchrun` or `accelerate
    launch`, share each batch; what fails on one of them ends all. What `rehearsal` raises is raised
    before any time is spent.

    Raises CheckpointError for a folder that holds a run (unless `resume` or `overwrite`), or none
    to resume; FolderInUse where another run writes to it; OSError where it cannot be written;
    NonFiniteLoss where training diverges; ProcessFailed where another process did.
    """
    for module, why in NEEDED:
        require(module, why)
    keep_freed_memory()
    with processes.together(), ExitStack() as held:
        with processes.in_step():
            if processes.rank() == 0:
                held.enter_context(claimed(folder))
                if holds_run(folder) and not (resume or overwrite):
                    raise CheckpointError(
                        f"{folder} holds a run already: give another --output, or go on with "
                        f"--resume {folder}"
                    )
        trainer = Trainer(run, folder, resume=resume, overwrite=overwrite, rehearsal=rehearsal)
        return _train(trainer, progress)


def _train(trainer: Trainer, progress: bool) -> Outcome:
    run, training = trainer.run, trainer.training
    stream = trainer.batches()
    began = time.monotonic() - trainer.elapsed
    journal = Journal(trainer.folder / "log", run.task.name, trainer.step, trainer.main, progress)
    with Interruption(launched="LOCAL_RANK" in os.environ) as interruption, journal:
        while trainer.step < training.steps and not trainer.is_stale:
            # A file that only one process reads may be broken.
            with journal.clock("data"), processes.in_step():
                batch = next(stream)
            bad = not_finite(batch)
            trainer.elapsed, stop, spoilt = processes.largest(
                [time.monotonic() - began, interruption.requested, bool(bad)]
            )
            if stop or trainer.progress >= 1:
                break
            rate = learning_rate(trainer.progress, training)
            if spoilt:
                with processes.in_step():
                    trainer.leave_out(bad)
                continue
            with journal.clock("step"):
                losses = trainer.advance(batch, rate)
            journal.losses(trainer.step, trainer.progress, losses, rate)
            if trainer.step % training.save_every == 0 and trainer.step < training.steps:
                with processes.in_step():
                    means = trainer.validate()
                    journal.validation(trainer.step, means)
                trainer.judge(means)
                trainer.save()
        if not trainer.is_stale:
            trainer.save()
    finished = trainer.progress >= 1 or trainer.is_stale
    return Outcome(trainer.result().eval(), trainer.splits, trainer.step, finished, trainer.main)


class Trainer:
    """All that changes while training: the model, its optimiser, the step, the random numbers."""

    def __init__(
        self,
        run: Run,
        folder: Path,
        *,
        resume: bool,
        overwrite: bool,
        rehearsal: Rehearsal | None = None,
    ) -> None:
        """Each step needs those before it:

        1. the accelerator knows the processes, which all that follows may ask for;
        2. the saved state is read while the folder is as it was;
        3. the seed is set before data and model, so that all processes make the same ones;
        4. the folder is prepared and the rehearsal held when the model is there, and on its device;
        5. only then come the random numbers of the steps, each process's own, or those saved: what
           the rehearsal and the making of the model drew has no part in them;
        6. the run before is deleted, and the config written, when nothing more can go wrong.
        """
        accelerate = require("accelerate", "to train")
        self.run, self.folder, self.training = run, folder, run.training
        if self.training.precision == "float16" and not torch.cuda.is_available():
            raise ValueError("precision float16 needs a GPU: on a CPU use float32 or bfloat16")
        # Else a second run in the same process would have the precision and the processes of the
        # first.
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
        self.accelerator = accelerate.Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision=PRECISIONS[self.training.precision],
            kwargs_handlers=[
                accelerate.DistributedDataParallelKwargs(
                    # A model may leave parameters idle for a while, as anchors that have not
                    # started.
                    find_unused_parameters=True,
                    # What a process remembers of its own share, as a nebula does, is its own.
                    broadcast_buffers=False,
                )
            ],
        )
        self.main: bool = self.accelerator.is_main_process
        self.world: int = self.accelerator.num_processes
        self.rank: int = self.accelerator.process_index
        if self.world != processes.count():
            raise ValueError(
                f"there is a group of {processes.count()} processes, and the environment says "
                f"{self.world}: start them with torchrun or accelerate launch"
            )
        self.step, self.elapsed = 0, 0.0
        self.saved_step, self.skipped = 0, 0
        self.standing = Standing()

        with processes.in_step():
            saved = None
            if resume and (holds_run(folder) or not (folder / "config.json").exists()):
                saved = load_newest(folder, run.config)
            seed(run.config.seed)
            self.splits = run.task.look(run.config, run.task.splits(run.config))
            self.share = self._share()
            self.model = run.task.fresh(run.config, self.splits)
            if self.main:
                prepare(folder, self.model, self.world, self.training.keep)
        self.objective, self.optimizer = self.accelerator.prepare(
            Objective(self.model, run.task.loss),
            torch.optim.AdamW(parameter_groups(self.model, self.training.weight_decay)),
        )
        decay = self.training.ema
        self.mean = averaged(self.model, decay) if decay > 0 else None
        with processes.in_step():
            if self.main and rehearsal:
                rehearsal(self.model, self.splits)
            # The noise of the processes differs; the weights, made above, do not.
            seed(run.config.seed + 1 + self.rank)
            if saved:
                self.restore(saved)
        with processes.in_step():
            if self.main:
                if overwrite:
                    clear(folder)
                save_config(folder, replace(run, vocabulary=self.splits.vocabulary))

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1: of its steps or of its time, whichever is more."""
        minutes = self.training.max_minutes or math.inf
        return max(self.step / self.training.steps, self.elapsed / (60 * minutes))

    def advance(self, batch: Batch, rate: float) -> dict[str, float]:
        """One step of the optimiser; its losses by name. NonFiniteLoss leaves the weights alone."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        skips = self.training.on_nan == "skip"
        # What a head measures of a step that is left out must not stay.
        before = {n: b.clone() for n, b in self.model.named_buffers()} if skips else {}
        losses = self._backward(batch)
        norm = float(self.accelerator.clip_grad_norm_(self.model.parameters(), self.training.clip))
        # Of all processes, so that they take the same turn, and the means are the batch's.
        table = processes.rows([*(value.item() for value in losses.values()), norm])
        *means, norm = (sum(column) / len(table) for column in zip(*table, strict=True))
        values = dict(zip(losses, means, strict=True))
        # float16 overflows now and then: its scaler skips the step and scales the next one down.
        self.skipped = 0 if math.isfinite(norm) else self.skipped + 1
        allowed = SKIPS if skips or self.training.precision == "float16" else 0
        finite = all(map(math.isfinite, means))
        if not (finite or skips) or self.skipped > allowed:
            raise NonFiniteLoss(self._diverged(values, norm) + _of(batch))
        scaled = self.training.precision == "float16"
        if skips and not (finite and (scaled or math.isfinite(norm))):
            for name, buffer in self.model.named_buffers():
                buffer.copy_(before[name])
            warnings.warn(
                f"step {self.step + 1} is left out, its loss or gradient is not finite{_of(batch)}",
                stacklevel=2,
            )
        else:
            self.optimizer.step()
            if self.mean is not None:
                self.mean.update_parameters(self.model)
        self.optimizer.zero_grad()
        self.step += 1
        return values | {"gradient_norm": norm}

    def _backward(self, batch: Batch) -> dict[str, Tensor]:
        """The losses of a batch by name, their gradients added up over its parts."""
        losses: dict[str, Tensor] = {}
        pieces = list(parts(batch, self.training.accumulate))
        for i, (share, piece) in enumerate(pieces):
            with ExitStack() as alone:
                if i + 1 < len(pieces):  # processes exchange gradients once a step
                    alone.enter_context(self.accelerator.no_sync(self.objective))
                own: dict[str, Tensor] = self.objective(piece)
                self.accelerator.backward(own["total"] * share if share < 1 else own["total"])
            for name, value in own.items():
                term = value.detach() * share if share < 1 else value.detach()
                losses[name] = losses[name] + term if name in losses else term
        return losses

    def leave_out(self, bad: list[str]) -> None:
        """Go on to the next step, without the batch that holds such items; or stop, if asked to.

        Raises ValueError, which names them.
        """
        if bad:
            held = f"the batch of step {self.step + 1} holds NaN or inf in {named(bad)}"
            if self.training.on_nan == "stop":
                raise ValueError(f"{held}: mend or remove them, or --on-nan skip")
            warnings.warn(f"{held}: it is left out", stacklevel=2)
        self.step += 1

    @property
    def is_stale(self) -> bool:
        """Whether the last so many validations, those of `patience`, were no better."""
        return 0 < self.training.patience <= self.standing.since

    def result(self) -> nn.Module:
        """The model that is measured and saved: with the last weights, their mean, or the best."""
        if self.is_stale and self.main and (self.folder / BEST).is_file():
            self.model.load_state_dict(read_weights(self.folder / BEST)[1])
            save_weights(self.model, self.folder / "model.safetensors")
            return self.model
        return self._current

    def batches(self) -> Iterator[Batch]:
        """This process's share of every batch from the current step on, without end.

        Which shapes are in a batch depends on the seed and the step alone.
        """
        data, training, size = self.splits.train, self.training, self.share * self.world
        count = len(data)
        epoch, first = divmod(self.step, count // size)
        while True:
            if hasattr(data, "set_epoch"):
                data.set_epoch(epoch)
            order = np.random.default_rng([self.run.config.seed, epoch]).permutation(count).tolist()
            shares = [order[i * size : (i + 1) * size] for i in range(first, count // size)]
            loader: DataLoader[Any] = DataLoader(
                data,  # type: ignore[arg-type] # torch asks for its own base class
                batch_sampler=[share[self.rank :: self.world] for share in shares],
                num_workers=training.workers,
                collate_fn=getattr(data, "collate", None),
                # The loader draws from the global generator otherwise, and a run that resumes
                # inside an epoch would have drawn once more than one that never stopped.
                generator=torch.Generator(),
            )
            for batch in _shielded(loader):
                yield to_device(batch, self.accelerator.device)
            epoch, first = epoch + 1, 0

    def validate(self) -> dict[str, float]:
        """Mean losses over the first batches of the validation split, random state untouched."""
        if not self.main:
            return {}
        loader = evaluation_batches(self.splits.val, self.training, self.accelerator.device)
        means: dict[str, float] = {}
        model = self._current
        model.eval()
        with torch.random.fork_rng(), torch.no_grad():
            for i, batch in enumerate(islice(loader, VALIDATION_BATCHES)):
                for name, value in self.run.task.loss(model, batch).items():
                    means[name] = (means.get(name, 0.0) * i + value.item()) / (i + 1)
        model.train()
        return means

    def judge(self, means: dict[str, float]) -> None:
        """Take note of a validation, and keep the weights if it was never better."""
        if self.training.patience:
            means = processes.of_main(means)  # all must end together
        with processes.in_step():
            if "total" in means and self.standing.judge(means["total"]) and self.main:
                save_weights(self._current, self.folder / BEST)

    @property
    def _current(self) -> nn.Module:
        """What is validated and saved: the model with its last weights, or with their mean."""
        return self.model if self.mean is None else self.mean.module

    def save(self) -> None:
        """Write a checkpoint; the one before it stays whole until this one is."""
        randoms = processes.on_main(random_state())
        own = processes.on_main(self._own())
        with processes.in_step():
            if self.main:
                scaler = self.accelerator.scaler
                state = {
                    "format": FORMAT,
                    "step": self.step,
                    "elapsed": self.elapsed,
                    "model": self.model.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "scaler": scaler.state_dict() if scaler else None,
                    "random": randoms,
                    "others": [_differing(one, own[0]) for one in own[1:]],
                    "standing": self.standing.state_dict(),
                    "mean": None if self.mean is None else self.mean.state_dict(),
                }
                save_state(state, self.folder / "state.pt")
                keep_state(self.folder, self.step, self.training.keep)
                save_weights(self._current, self.folder / "model.safetensors")
        self.saved_step = self.step

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up a saved state; raises CheckpointError where it does not fit this run."""
        try:
            others = saved.get("others", [])
            own = others[self.rank - 1] if 0 < self.rank <= len(others) else {}
            self.model.load_state_dict(saved["model"] | own)
            self.optimizer.load_state_dict(saved["optimizer"])
            if self.accelerator.scaler and saved["scaler"]:
                self.accelerator.scaler.load_state_dict(saved["scaler"])
            if self.rank < len(saved["random"]):
                set_random_state(saved["random"][self.rank])
            self.step = self.saved_step = int(saved["step"])
            self.elapsed = float(saved["elapsed"])
            if "standing" in saved:
                self.standing.load_state_dict(saved["standing"])
            if self.mean is not None:
                # A run that began without a mean begins one of the weights it has now.
                mean = saved.get("mean") or averaged(self.model, self.training.ema).state_dict()
                self.mean.load_state_dict(mean)
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.folder / 'state.pt'} does not fit this run; resume with the config it was "
                f"trained with ({str(error).splitlines()[0]})"
            ) from None

    def _own(self) -> dict[str, Any]:
        """The part of the model's state that is each process's own: all but its parameters."""
        shared = {name for name, _ in self.model.named_parameters(remove_duplicate=False)}
        state = self.model.state_dict()
        return {
            name: value.cpu() if isinstance(value, Tensor) else value
            for name, value in state.items()
            if name not in shared
        }

    def _share(self) -> int:
        """How many samples of each batch are this process's; all have equally many."""
        size, count = self.training.batch_size, len(self.splits.train)
        if count == 0:
            raise ValueError("there is nothing to train on: all of the data are kept out of it")
        # Whole batches only.
        if (share := min(size, count) // self.world) > 0:
            return share
        raise ValueError(
            f"{self.world} processes share each batch, so batch_size and the number of training "
            f"samples must be at least {self.world}, got {size} and {count}"
        )

    def _diverged(self, values: dict[str, float], norm: float) -> str:
        terms = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        kept = f"the checkpoint of step {self.saved_step} is kept; " if self.saved_step else ""
        return (
            f"training diverged at step {self.step + 1} ({terms}, gradient norm {norm:.4g}): "
            f"{kept}try a lower learning rate than {self.training.learning_rate:g}"
            + (" or float32 precision" if self.training.precision != "float32" else "")
        )


def _differing(state: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The part of a state that is not the same as in another."""
    return {
        name: value
        for name, value in state.items()
        if not (isinstance(value, Tensor) and torch.equal(value, other[name]))
    }


def _of(batch: Batch) -> str:
    """Which files a batch is of, to be added to what went wrong with it."""
    names = batch.get("name")
    return f"; its batch is of {named(names)}" if names else ""


class Objective(nn.Module):
    """A task's loss as a module, so that whatever wraps a module (DDP, autocast) spans it too."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Batch], dict[str, Tensor]]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.loss(self.model, batch)


def learning_rate(progress: float, training: TrainConfig) -> float:
    """The learning rate at a progress from 0 to 1 of the run: a linear rise, then half a cosine."""
    if progress < training.warmup:
        # Not from zero itself: the first step would be lost.
        return (
            training.learning_rate
            * (progress + 1 / training.steps)
            / (training.warmup + 1 / training.steps)
        )
    fall = (progress - training.warmup) / (1 - training.warmup)
    return training.learning_rate * (1 + math.cos(math.pi * fall)) / 2


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: only weights of linear and convolution layers decay.

    Decay pulls to zero, which is no place that biases, scales of norms or anchors tend to.
    """
    decaying = {
        module.weight
        for module in model.modules()
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd))
    }
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p in decaying], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p not in decaying], "weight_decay": 0.0},
    ]


def evaluation_batches(
    data: Items, training: TrainConfig, device: torch.device | str = "cpu"
) -> Iterator[Batch]:
    """All items of `data`, in order, in batches of the training's size."""
    loader: DataLoader[Any] = DataLoader(
        data,  # type: ignore[arg-type]
        batch_size=training.batch_size,
        num_workers=training.workers,
        collate_fn=getattr(data, "collate", None),
        generator=torch.Generator(),  # the global one is left alone
    )
    for batch in _shielded(loader):
        yield to_device(batch, device)


def _shielded(loader: DataLoader[Any]) -> Iterator[Batch]:
    """The batches of a loader, whose processes do not get the signals that end a training."""
    with shielded():
        batches = iter(loader)
    return batches


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """The batch with its tensors on `device`."""
    return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in batch.items()}
