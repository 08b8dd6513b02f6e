"""What a user sees of a training run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from time import perf_counter

from nvc3d.atomic import atomic_write
from nvc3d.extras import require

LOG_EVERY = 10  # steps


class LossTable:
    """The losses as CSV, a row a log: step, split, and a column for each loss.

    What a run that resumes at `step` had written beyond it goes.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self.names: list[str] = []
        rows: list[dict[str, str]] = []
        if step and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                # A row that was cut short, by a kill, has no last column.
                rows = [r for r in reader if r["step"].isdecimal() and None not in r.values()]
                self.names = list(reader.fieldnames or ())
        kept = [row for row in rows if int(row["step"]) <= step]
        if kept:
            text = StringIO(newline="")
            writer = csv.DictWriter(text, self.names)
            writer.writeheader()
            writer.writerows(kept)
            with atomic_write(path) as binary:
                binary.write(text.getvalue().encode())
        else:
            path.unlink(missing_ok=True)
            self.names = []

    def add(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Write a row; a loss that the first row did not have is left out."""
        begins = not self.names
        if begins:
            self.names = ["step", "split", *values]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.names, extrasaction="ignore", restval="")
            if begins:
                writer.writeheader()
            writer.writerow({"step": step, "split": split, **values})


class Journal:
    """Losses on a progress bar and in TensorBoard; silent on all processes but the main one."""

    def __init__(self, folder: Path, name: str, step: int, main: bool, progress: bool) -> None:
        tqdm = require("tqdm", "to show progress")
        require("tensorboard", "to log training")
        self.writer = self.table = None
        if main:
            self.table = LossTable(folder.parent / "losses.csv", step)
            tensorboard = require("torch.utils.tensorboard", "to log training")
            self.writer = tensorboard.SummaryWriter(str(folder), purge_step=step)
        # The bar runs over the part of the run that is done, as not only its steps may end it.
        self.bar = tqdm.tqdm(
            total=1.0,
            desc=name,
            bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}",
            dynamic_ncols=True,
            disable=not (main and progress),
        )
        self.validated: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        """What takes how long, a mean over the last steps: data, and steps."""

    @contextmanager
    def clock(self, what: str) -> Iterator[None]:
        """Take the time of the block."""
        began = perf_counter()
        yield
        took = perf_counter() - began
        self.seconds[what] = 0.9 * self.seconds.get(what, took) + 0.1 * took

    def losses(self, step: int, progress: float, values: dict[str, float], rate: float) -> None:
        """Show the losses of a step, after which the run has come so far, 0 to 1."""
        shown = {name: f"{v:.4g}" for name, v in values.items() if name != "gradient_norm"}
        times = {f"{what}_time": f"{1e3 * s:.3g}ms" for what, s in self.seconds.items()}
        self.bar.set_postfix({"step": step} | shown | self.validated | times, refresh=False)
        self.bar.update(min(progress, 1.0) - self.bar.n)
        if step % LOG_EVERY == 0:
            self._log("train", step, values | {"learning_rate": rate})
            if self.writer:
                for what, seconds in self.seconds.items():
                    self.writer.add_scalar(f"time/{what}", seconds, step)

    def validation(self, step: int, values: dict[str, float]) -> None:
        """Show the losses on shapes that are not trained on."""
        if "total" in values:
            self.validated = {"validation": f"{values['total']:.4g}"}
        self._log("validation", step, values)

    def _log(self, group: str, step: int, values: dict[str, float]) -> None:
        if self.writer and self.table:
            self.table.add(step, group, values)
            for name, value in values.items():
                self.writer.add_scalar(f"{group}/{name}", value, step)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        if self.writer:
            self.writer.close()
