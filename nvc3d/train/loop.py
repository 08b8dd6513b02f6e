"""The training loop: one for every task, on one process or many."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from nvc3d import processes
from nvc3d.allocation import keep_freed_memory
from nvc3d.checkpoint import CheckpointError, Run, holds_run
from nvc3d.claim import claimed
from nvc3d.extras import require
from nvc3d.interruption import Interruption
from nvc3d.journal import Journal
from nvc3d.standing import not_finite
from nvc3d.tasks import Splits
from nvc3d.train.rates import learning_rate
from nvc3d.train.trainer import Rehearsal, Trainer

NEEDED = (
    ("accelerate", "to train"),
    ("safetensors", "to save models"),
    ("tensorboard", "to log training"),
    ("tqdm", "to show progress"),
)


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
