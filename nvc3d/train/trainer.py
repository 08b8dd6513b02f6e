"""A training at a step: made, validated, saved and taken up again."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nvc3d import processes
from nvc3d.checkpoint import (
    BEST,
    FORMAT,
    CheckpointError,
    Run,
    clear,
    holds_run,
    keep_resumed,
    keep_state,
    load_newest,
    prepare,
    read_weights,
    save_config,
    save_state,
    save_weights,
)
from nvc3d.data.naming import named
from nvc3d.randomness import random_state, seed, set_random_state
from nvc3d.standing import Standing
from nvc3d.tasks import Batch, Splits
from nvc3d.train.accelerator import accelerator
from nvc3d.train.batches import evaluation_batches, share_of_batch, training_batches
from nvc3d.train.optimiser import Optimiser

VALIDATION_BATCHES = 16  # at most, at each checkpoint

Rehearsal = Callable[[nn.Module, Splits], None]
"""(untrained model, data): does in small what will be done with the trained model."""


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
        self.run, self.folder, self.training = run, folder, run.training
        self.accelerator = accelerator(self.training)
        self.main: bool = self.accelerator.is_main_process
        self.world: int = self.accelerator.num_processes
        self.rank: int = self.accelerator.process_index
        self.step, self.elapsed = 0, 0.0
        self.saved_step = 0
        self.standing = Standing()

        with processes.in_step():
            saved = None
            if resume and (holds_run(folder) or not (folder / "config.json").exists()):
                saved = load_newest(folder, run.config)
            seed(run.config.seed)
            self.splits = run.task.look(run.config, run.task.splits(run.config))
            share_of_batch(self.training, len(self.splits.train), self.world)
            self.model = run.task.fresh(run.config, self.splits)
            if self.main:
                prepare(folder, self.model, self.world, self.training.keep)
        self.optimiser = Optimiser(self.model, run.task.loss, self.training, self.accelerator)
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
                if saved:
                    keep_resumed(folder, self.step, self.training.keep)
                save_config(folder, replace(run, vocabulary=self.splits.vocabulary))

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1: of its steps or of its time, whichever is more."""
        minutes = self.training.max_minutes or math.inf
        return max(self.step / self.training.steps, self.elapsed / (60 * minutes))

    def advance(self, batch: Batch, rate: float) -> dict[str, float]:
        """One step of the optimiser; its losses by name. NonFiniteLoss leaves the weights alone."""
        losses = self.optimiser.advance(batch, rate, self.step + 1, self.saved_step)
        self.step += 1
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
        return self.optimiser.current

    def batches(self) -> Iterator[Batch]:
        """This process's share of every batch from the current step on, without end."""
        return training_batches(
            self.splits.train,
            self.training,
            seed=self.run.config.seed,
            step=self.step,
            rank=self.rank,
            processes=self.world,
            device=self.accelerator.device,
        )

    def validate(self) -> dict[str, float]:
        """Mean losses over the first batches of the validation split, random state untouched."""
        if not self.main:
            return {}
        loader = evaluation_batches(self.splits.val, self.training, self.accelerator.device)
        means: dict[str, float] = {}
        model = self.optimiser.current
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
                save_weights(self.optimiser.current, self.folder / BEST)

    def save(self) -> None:
        """Write a checkpoint; the one before it stays whole until this one is."""
        randoms = processes.on_main(random_state())
        own = processes.on_main(self._own())
        with processes.in_step():
            if self.main:
                state = {
                    "format": FORMAT,
                    "step": self.step,
                    "elapsed": self.elapsed,
                    "model": self.model.state_dict(),
                    "random": randoms,
                    "others": [_differing(one, own[0]) for one in own[1:]],
                    "standing": self.standing.state_dict(),
                    **self.optimiser.state_dict(),
                }
                save_state(state, self.folder / "state.pt")
                keep_state(self.folder, self.step, self.training.keep)
                save_weights(self.optimiser.current, self.folder / "model.safetensors")
        self.saved_step = self.step

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up a saved state; raises CheckpointError where it does not fit this run."""
        try:
            others = saved.get("others", [])
            own = others[self.rank - 1] if 0 < self.rank <= len(others) else {}
            self.model.load_state_dict(saved["model"] | own)
            self.optimiser.load_state_dict(saved)
            if self.rank < len(saved["random"]):
                set_random_state(saved["random"][self.rank])
            self.step = self.saved_step = int(saved["step"])
            self.elapsed = float(saved["elapsed"])
            if "standing" in saved:
                self.standing.load_state_dict(saved["standing"])
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


def _differing(state: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The part of a state that is not the same as in another."""
    return {
        name: value
        for name, value in state.items()
        if not (isinstance(value, Tensor) and torch.equal(value, other[name]))
    }
