"""A training of one code with one seed, and what it measured."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cells import Result
from results import code, fingerprint

import nvc3d
from nvc3d.checkpoint import Run
from nvc3d.config import to_dict
from nvc3d.tasks import TASKS
from nvc3d.train import NonFiniteLoss, evaluation_batches, train

from .settings import STUDIES, Setting

_ROOT = Path(nvc3d.__file__).parent
_SHARED = ("nebula", "encoders", "tasks/bottleneck")
_PARTS = (*_SHARED, *(f"tasks/{task}" for task in TASKS))
# Read beside the import: a file edited while this runs must not lend its hash to the results.
_CODE = {
    part: [
        code(path) for path in sorted([*_ROOT.glob(f"{part}/**/*.py"), *_ROOT.glob(f"{part}.py")])
    ]
    for part in _PARTS
}


def depends(run: Run, folder: str | None) -> list[str]:
    """What a training's result depends on: its configs, but for where its data lie, and code."""
    config: dict[str, Any] = {**to_dict(run.config), "data": folder}
    content = [repr(sorted(config.items())), repr(sorted(to_dict(run.training).items()))]
    for part in (*_SHARED, f"tasks/{run.task.name}"):
        content += _CODE[part]
    return content


@dataclass(frozen=True)
class Cell:
    """One training."""

    study: str
    setting: int
    code: str
    seed: int
    data: Path | None
    quick: bool = False

    def __str__(self) -> str:
        return f"{self.told.title}, {self.code}, seed {self.seed}"

    @property
    def told(self) -> Setting:
        """Its setting."""
        return STUDIES[self.study][self.setting]

    @property
    def training(self) -> Run:
        """What is trained."""
        return self.told.run(self.code, self.seed, self.data, self.quick)

    def name(self) -> str:
        """Of the file of its result."""
        known = fingerprint(depends(self.training, self.told.folder))
        return f"{self.study}-{self.setting + 1}-{self.code}-{self.seed}-{known}"

    def compute(self, folder: Path) -> Result:
        """Train and measure; a training that diverges is a result too."""
        run = self.training
        result: Result = {"setting": self.told.title, "code": self.code, "seed": self.seed}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                outcome = train(run, folder, progress=False)
                batches = evaluation_batches(outcome.splits.val, run.training)
                measured = run.task.metrics(
                    outcome.model, batches, outcome.splits.vocabulary.groups
                )
            if not outcome.finished:
                raise KeyboardInterrupt
            table = measured.overall
            # A plain code has one answer: it lacks the measures of several.
            result["values"] = {
                f"{m.row}: {m.column}": table[m.row][m.column]
                for m in self.told.measures
                if m.column in table.get(m.row, {})
            }
        except NonFiniteLoss as error:
            result |= {"values": {}, "diverged": str(error)}
        return result
