"""A training on real data, and what it measured: answers, time and memory."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
from cells import Result
from references import dgcnn, layers, pcn, pointnet, pointnet2, training, unet
from references.training import batches as plain_batches
from resources import added_by
from results import code, fingerprint
from task_study.content import depends
from torch import Tensor, nn

from nvc3d.checkpoint import Run
from nvc3d.config import to_dict
from nvc3d.randomness import seed as set_seed
from nvc3d.tasks import Splits
from nvc3d.tasks.task import Batch, evaluating
from nvc3d.train import NonFiniteLoss, evaluation_batches, train

from . import damage, judges, layouts, plain
from .damage import DAMAGES, damaged
from .judges import JUDGES, own_answer, plain_answer
from .plain import moved
from .rows import FOR_AS_LONG, ROWS, Row

WARM, TIMED = 2, 6
"""Steps that are not timed, and steps of which the median is told."""
LOADED = 4
"""Batches that are read to tell how fast they are."""

_PLAIN = [dgcnn, layers, pcn, pointnet, pointnet2, training, unet, plain]
# Read beside the import: a file edited while this runs must not lend its hash to the results.
_CODE = [code(Path(str(part.__file__))) for part in _PLAIN]
_COMMON = [code(Path(str(part.__file__))) for part in (judges, layouts)]
_DAMAGE = code(Path(str(damage.__file__)))

Loss = Callable[[nn.Module, Batch], Tensor]


@dataclass(frozen=True)
class Cell:
    """One training."""

    row: str
    program: str
    seed: int
    data: Path
    output: Path
    """where results lie"""
    quick: bool = False

    def __str__(self) -> str:
        return f"{self.row}, {self.program}, seed {self.seed}"

    @property
    def told(self) -> Row:
        """Its row."""
        return ROWS[self.row]

    @property
    def is_plain(self) -> bool:
        """Whether a plain network learns."""
        return self.told.reference(self.program) is not None

    @property
    def first(self) -> Cell:
        """Of nvc3d's default with the same seed."""
        return replace(self, program=self.told.default)

    def name(self) -> str:
        """Of the file of its result."""
        run = self.told.run_of(self.program, self.seed, self.data, self.quick)
        if self.is_plain:
            # What nvc3d's network has for defaults is nothing to it.
            config = {**self.told.config, **self.told.plain, "data": self.told.folder}
            content = [repr(sorted(config.items())), repr(sorted(to_dict(run.training).items()))]
            content += [*_CODE, str(self.told.augmented)]
            if self.program.endswith(FOR_AS_LONG):
                content += [FOR_AS_LONG, self.first.name()]
        else:
            content = depends(run, self.told.folder)
        content += [*_COMMON, *([_DAMAGE] if self.told.damaged else [])]
        known = fingerprint(content)
        program = self.program.replace(", ", "-").replace(" ", "-")
        return f"{self.row}-{program}-{self.seed}-{known}"

    def compute(self, folder: Path) -> Result:
        """Lay the data out, look at time and memory, train, and measure; a training that diverges
        is a result too."""
        assert self.told.folder is not None
        source, laid = self.data / self.told.folder, folder / "data"
        if not source.is_dir():
            raise FileNotFoundError(f"{self.row} needs {source}, and there is no such folder")
        laid.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.told.lay(source, self.seed, laid / self.told.folder)
            run, splits, result = self._probed(laid)
            result["steps"] = run.training.steps
            if self.program.endswith(FOR_AS_LONG):
                turn = self.first._probed(laid)[2]["turn"]
                result["steps"] = max(1, round(run.training.steps * turn / result["turn"]))
            start = time.process_time()
            try:
                model = self._learned(run, splits, folder / "run", result["steps"])
            except NonFiniteLoss as error:
                return result | {"values": {}, "diverged": str(error)}
            result["training"] = time.process_time() - start
            with evaluating(model):
                return result | self._judged(model, run, splits)

    def _probed(self, laid: Path) -> tuple[Run, Splits, Result]:
        """What is to be trained on data that were laid out, and what a step of it takes."""
        run = self.told.run_of(self.program, self.seed, laid, self.quick)
        splits = run.task.look(run.config, run.task.splits(run.config))
        return run, splits, _probed(run, splits, self._loss(run), self._fresh(run, splits))

    def _loss(self, run: Run) -> Loss:
        reference = self.told.reference(self.program)
        if reference is None:
            return lambda model, batch: run.task.loss(model, batch)["total"]
        if self.told.augmented:
            return lambda model, batch: reference.loss(model, moved(batch))
        return reference.loss

    def _fresh(self, run: Run, splits: Splits) -> Callable[[], nn.Module]:
        reference = self.told.reference(self.program)
        if reference is None:
            return lambda: run.task.model(run.config, splits.vocabulary)
        return lambda: reference.make(splits.vocabulary)

    def _learned(self, run: Run, splits: Splits, folder: Path, steps: int) -> nn.Module:
        """The trained model."""
        if not self.is_plain:
            outcome = train(run, folder, progress=False)
            if not outcome.finished:
                raise KeyboardInterrupt
            return outcome.model
        set_seed(self.seed)
        model = self._fresh(run, splits)()
        stream = plain_batches(splits.train, run.training.batch_size, self.seed)
        training.train(model, self._loss(run), stream, steps)
        return model

    def _judged(self, model: nn.Module, run: Run, splits: Splits) -> Result:
        """What a model's answers are worth, on damaged clouds too where the row wants that."""

        def judged(change: Callable[[Batch], Batch]) -> judges.Judged:
            batches = map(change, evaluation_batches(splits.val, run.training))
            answers = ((self._answer(model, batch), batch) for batch in batches)
            return JUDGES[run.task.name](answers, splits.vocabulary)

        result = judged(lambda batch: batch)
        if self.told.damaged:
            first = self.told.measures[0].column
            result["damaged"] = {}
            for name, kind in DAMAGES.items():
                rng = np.random.default_rng(self.seed)
                worth = judged(partial(damaged, damage=kind, rng=rng))
                result["damaged"][name] = worth["values"][first]
        return result

    def _answer(self, model: nn.Module, batch: Batch) -> Tensor:
        reference = self.told.reference(self.program)
        if reference is None:
            return own_answer(self.told.task, model, batch)
        return plain_answer(model(reference.given(batch)))


def _probed(run: Run, splits: Splits, loss: Loss, fresh: Callable[[], nn.Module]) -> Result:
    """Seconds of a step on a batch that is there, and of its turn: to read a batch, and step; bytes
    that model, optimiser and steps add at their peak, and how many samples are read in a second; of
    the processor's time."""
    stream = plain_batches(splits.train, run.training.batch_size, run.config.seed)
    batch = next(stream)
    start = time.process_time()
    read = sum(len(some["name"]) for some in islice(stream, LOADED))
    seconds = time.process_time() - start
    taken: list[float] = []

    def steps() -> None:
        set_seed(run.config.seed)
        model = fresh()
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(WARM + TIMED):
            start = time.process_time()
            optimizer.zero_grad()
            loss(model, batch).backward()
            optimizer.step()
            taken.append(time.process_time() - start)

    memory, step = added_by(steps), median(taken[WARM:])
    return {
        "step": step,
        "turn": step + seconds / LOADED,
        "memory": memory,
        "read": read / seconds,
        "needed": len(batch["name"]) / step,
    }
