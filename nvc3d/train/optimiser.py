"""The steps of a training: losses and gradients of a batch, and what they change."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from nvc3d import processes
from nvc3d.config import TrainConfig
from nvc3d.data.naming import named
from nvc3d.standing import averaged, parts
from nvc3d.tasks import Batch
from nvc3d.train.rates import parameter_groups

SKIPS = 20  # steps in a row that float16's loss scaler may skip before we call it divergence


class NonFiniteLoss(ArithmeticError):
    """The loss or its gradient became NaN or infinite; nothing of that step was kept."""


class Optimiser:
    """AdamW on a task's loss, and the mean of the weights, where one is kept."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[nn.Module, Batch], dict[str, Tensor]],
        training: TrainConfig,
        accelerator: Any,
    ) -> None:
        self.model, self.training, self.accelerator = model, training, accelerator
        self.objective, self.optimizer = accelerator.prepare(
            Objective(model, loss),
            torch.optim.AdamW(parameter_groups(model, training.weight_decay)),
        )
        self.mean = averaged(model, training.ema) if training.ema > 0 else None
        self.skipped = 0

    @property
    def current(self) -> nn.Module:
        """What is validated and saved: the model with its last weights, or with their mean."""
        return self.model if self.mean is None else self.mean.module

    def advance(self, batch: Batch, rate: float, step: int, kept: int) -> dict[str, float]:
        """Take a step; its losses by name. NonFiniteLoss leaves the weights alone.

        Args:
            batch: this process's share.
            rate: the learning rate.
            step: which it is, from 1.
            kept: the step of the checkpoint that is there, 0 for none.
        """
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
            raise NonFiniteLoss(self._diverged(values, norm, step, kept) + _of(batch))
        scaled = self.training.precision == "float16"
        if skips and not (finite and (scaled or math.isfinite(norm))):
            for name, buffer in self.model.named_buffers():
                buffer.copy_(before[name])
            warnings.warn(
                f"step {step} is left out, its loss or gradient is not finite{_of(batch)}",
                stacklevel=2,
            )
        else:
            self.optimizer.step()
            if self.mean is not None:
                self.mean.update_parameters(self.model)
        self.optimizer.zero_grad()
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

    def state_dict(self) -> dict[str, Any]:
        """What must be saved of it, the weights aside."""
        scaler = self.accelerator.scaler
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else None,
            "mean": None if self.mean is None else self.mean.state_dict(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take up what was saved, after the weights."""
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.accelerator.scaler and saved["scaler"]:
            self.accelerator.scaler.load_state_dict(saved["scaler"])
        if self.mean is not None:
            # A run that began without a mean begins one of the weights it has now.
            mean = saved.get("mean") or averaged(self.model, self.training.ema).state_dict()
            self.mean.load_state_dict(mean)

    def _diverged(self, values: dict[str, float], norm: float, step: int, kept: int) -> str:
        terms = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        saved = f"the checkpoint of step {kept} is kept; " if kept else ""
        return (
            f"training diverged at step {step} ({terms}, gradient norm {norm:.4g}): "
            f"{saved}try a lower learning rate than {self.training.learning_rate:g}"
            + (" or float32 precision" if self.training.precision != "float32" else "")
        )


class Objective(nn.Module):
    """A task's loss as a module, so that whatever wraps a module (DDP, autocast) spans it too."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Batch], dict[str, Tensor]]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.loss(self.model, batch)


def _of(batch: Batch) -> str:
    """Which files a batch is of, to be added to what went wrong with it."""
    names = batch.get("name")
    return f"; its batch is of {named(names)}" if names else ""
