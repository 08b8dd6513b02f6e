"""Trainings that are killed at random moments, and go on until they are done.

    python tests/killed.py --kills 50 --seed 0 completion segmentation

Each attempt is `nvc3d train` in a process of its own, forked from one that has imported torch, and
ended by SIGKILL at an operation on a file of the run, or some time after it: before the first
checkpoint, while one is written, or later. What survives at last must have the weights and losses
of a run that was never killed, bit for bit, and leave nothing half-written.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate  # noqa: F401 # here, so that no process needs to
import torch
import torch._dynamo
import torch.utils.tensorboard
import tyro  # noqa: F401
from tiny import MODELS
from torch.utils.data import Subset

from nvc3d.adapters.text import grammar
from nvc3d.checkpoint import load_run
from nvc3d.commands.train import main as command
from nvc3d.commands.train import parse
from nvc3d.tasks import TASKS, Measured, Splits, Task

DATA = {
    "classification": ["--shapes=23"],
    "completion": ["--shapes=8"],
    "hand_pose": ["--frames=8", "--noise=0.5", "--arm=0.5"],  # all that is drawn for one
    "planes": ["--frames=4"],
    "segmentation": ["--shapes=23"],
    "voxel_completion": ["--shapes=8"],
    "topics": ["--batch-pieces=800"],
    "translation": ["--batch-pieces=800"],
}
SENTENCES = {"train": 200, "val": 16, "test": 16}
POINTNET = ("classification", "completion", "hand_pose", "planes", "segmentation")
TRAINING = ["--steps=12", "--save-every=3", "--keep=2", "--ema=0.5", "--patience=50"]
OPERATIONS = ("open", "os.rename", "os.remove", "os.link", "os.mkdir", "shutil.copyfile")
STAGES = ("before", "during", "after")
"""Of the first checkpoint; while any is being written."""


class Moment:
    """When a process kills itself: so many seconds after it has begun the n-th operation on a file
    of its run. Without a number, it notes the operations."""

    def __init__(self, folder: Path, number: int | None = None, seconds: float = 0.0) -> None:
        self.folder, self.number, self.seconds = str(folder), number, seconds
        self.seen: list[tuple[float, str]] = []
        self.busy = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in OPERATIONS or self.busy:
            return
        path = str(arguments[0])
        if not path.startswith(self.folder):
            return
        self.busy = True
        self.seen.append((time.monotonic(), f"{event} {path.removeprefix(self.folder)}"))
        if len(self.seen) - 1 == self.number:
            if self.seconds:
                threading.Timer(self.seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        self.busy = False


def forked(work: Callable[[], int], said: Path) -> int:
    """The exit code of some work in a process of its own, or minus the signal that ended it; what
    it prints goes to a file."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with said.open("w") as file:
                for stream in (1, 2):
                    os.dup2(file.fileno(), stream)
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def attempt(
    task: str, folder: Path, moment: Moment | None = None, notes: Path | None = None
) -> int:
    """Begin a run, or go on with the one that is there; notes are of the moment's operations."""
    begun = (folder / "config.json").exists()
    options = [f"--resume={folder}"] if begun else [*small(task), f"--output={folder}"]

    def work() -> int:
        TASKS[task] = lessened(TASKS[task])
        if moment is not None:
            sys.addaudithook(moment)
        code = command([task, *options])
        if moment is not None and notes is not None:
            ends = [*(at for at, _ in moment.seen[1:]), time.monotonic()]
            lines = [
                f"{end - at} {what}\n" for end, (at, what) in zip(ends, moment.seen, strict=True)
            ]
            notes.write_text("".join(lines))
        return code

    return forked(work, said(folder))


def said(folder: Path) -> Path:
    """The file of what the last attempt at a run printed."""
    return folder.with_suffix(".said")


def lessened(task: Task) -> Task:
    """A task that is validated on four items, and not measured: that comes after training."""

    def data(config: Any) -> Splits:
        splits = task.data(config)
        few: Any = Subset(splits.val, range(min(4, len(splits.val))))  # type: ignore[arg-type]
        few.collate = getattr(splits.val, "collate", None)
        return replace(splits, val=few)

    return replace(
        task, data=data, metrics=lambda *_: Measured({"all": {"": 0}}), pictures=lambda *_: []
    )


def small(task: str) -> list[str]:
    """The options of a small run of a task."""
    options = [*TRAINING, *DATA.get(task, []), "--batch-size=4"]
    for name, value in MODELS[task].items():
        words = map(str, value) if isinstance(value, tuple) else [str(value)]
        options += [f"--{name.replace('_', '-')}", *words]
    return options + ["--encoder=pointnet"] * (task in POINTNET)


def observed(task: str, folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Train without a kill: stage -> its operations by number, each with the time to the next."""
    whole, notes = folder / "whole", folder / "operations"
    code = attempt(task, whole, Moment(whole), notes)
    assert code == 0, f"{task} does not train: {said(whole).read_text()}"
    stages: dict[str, list[tuple[int, float]]] = {stage: [] for stage in STAGES}
    stage = "before"
    for number, line in enumerate(notes.read_text().splitlines()):
        seconds, what = line.split(maxsplit=1)
        writes = what.startswith("open /.state.pt")
        stage = "during" if writes else stage
        stages[stage].append((number, float(seconds)))
        if what.startswith("os.rename /.model.safetensors"):
            stage = "after"
    return stages


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """What a run has learned."""
    return load_run(folder)[1].state_dict()


def check(task: str, kills: int, seed: int, folder: Path) -> str:
    """Kill runs of a task so many times; says how many there were, and fails where one differs."""
    TASKS[task].data(parse(task, small(task)).task)  # what that imports, no process needs to
    stages = observed(task, folder)
    expected, losses = weights(folder / "whole"), (folder / "whole" / "losses.csv").read_bytes()
    rng = random.Random(seed)
    done = {stage: 0 for stage in STAGES}
    runs, told = 0, ""
    while sum(done.values()) < kills:
        run, told = folder / f"killed-{runs}", f"{task}, seed {seed}, run {runs}"
        runs += 1
        while sum(done.values()) < kills:
            stage = STAGES[sum(done.values()) % 3]
            number, gap = rng.choice(stages[stage])
            seconds = rng.choice((0.0, rng.uniform(0, gap)))
            told += f"; operation {number} + {seconds:.4f} s"
            code = attempt(task, run, Moment(run, number, seconds))
            if code == 0:
                break
            assert code == -signal.SIGKILL, f"{told}: exit code {code}: {said(run).read_text()}"
            done[stage] += 1
        code = attempt(task, run)
        assert code == 0, f"{told}: exit code {code}: {said(run).read_text()}"
        found = weights(run)
        assert found.keys() == expected.keys(), told
        different = [name for name in found if not torch.equal(found[name], expected[name])]
        assert not different, f"{told}: {different[0]} differs"
        assert (run / "losses.csv").read_bytes() == losses, f"{told}: the losses differ"
        left = {p.name for p in run.iterdir()} ^ {p.name for p in (folder / "whole").iterdir()}
        assert not left, f"{told}: {left}"
    counts = ", ".join(f"{count} {stage}" for stage, count in done.items())
    return f"{task}: {counts} (of the first checkpoint; while one is written), {runs} runs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=sorted(MODELS))
    parser.add_argument("--kills", type=int, default=50, help="of each task")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    grammar.SIZES.update(SENTENCES)
    for task in given.tasks:
        with tempfile.TemporaryDirectory() as folder:
            began = os.times()
            found = check(task, given.kills, given.seed, Path(folder))
            took = os.times()
            seconds = sum(took[i] - began[i] for i in range(4))
            print(f"{found}, {seconds:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
