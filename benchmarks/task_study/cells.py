"""A training of one code with one seed, and what it measured."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from cells import Result
from results import fingerprint

from nvc3d.checkpoint import Run
from nvc3d.train import NonFiniteLoss, train

from .content import depends
from .setting import Setting
from .settings import STUDIES


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
        told = self.told
        content = depends(self.training, told.folder, told.change, told.measured)
        return f"{self.study}-{self.setting + 1}-{self.code}-{self.seed}-{fingerprint(content)}"

    def compute(self, folder: Path) -> Result:
        """Train and measure; a training that diverges is a result too."""
        run = self.training
        result: Result = {"setting": self.told.title, "code": self.code, "seed": self.seed}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.told.change is not None:
                    run = self.told.change(run, self.code, folder.parent)
                outcome = train(run, folder, progress=False)
                if not outcome.finished:
                    raise KeyboardInterrupt
                table = self.told.measured(outcome, run)
            # A plain code has one answer: it lacks the measures of several.
            result["values"] = {
                m.name: table[m.row][m.column]
                for m in self.told.measures
                if m.column in table.get(m.row, {})
            }
        except NonFiniteLoss as error:
            result |= {"values": {}, "diverged": str(error)}
        return result
