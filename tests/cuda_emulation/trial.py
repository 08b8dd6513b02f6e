"""Runs operators of an emulation that was built for a sanitizer, and tells what was found.

`python trial.py LIBRARY < GROUPS > FINDINGS`, both JSON: a group is a list of runs, dictionaries
with the name of a trial, the number of a fault (0 for none), `between_blocks` and a seed; its
finding a text, empty where nothing was found. The sanitizer must be loaded before Python:
`run_trials` does all of it.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

OPTIONS = {
    # What torch's own code does is not looked at: it is not built for it.
    "TSAN_OPTIONS": "ignore_interceptors_accesses=1:exitcode=0",
    "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=0",
}
Operators = Any


def cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def tiles(operators: Operators) -> tuple[Tensor, ...]:
    x, y = cloud(2, 70, 20), cloud(2, 131, 20, seed=1)
    y[:, -1] = x[:, -1]  # the last of the last
    return tuple(operators.nearest(x, y, None, torch.tensor([131, 90]), 2, True))


def trees(operators: Operators) -> tuple[Tensor, ...]:
    x, y = cloud(1, 300, 3), cloud(1, 290, 3, seed=1)
    return tuple(operators.nearest_both(x, y, None, None, 2, True))


def passes(operators: Operators) -> tuple[Tensor, ...]:
    x, y = cloud(2, 200, 3), cloud(2, 130, 3, seed=1)
    return tuple(operators.nearest_both(x, y, None, None, 2, True))


def anchors(operators: Operators) -> tuple[Tensor, ...]:
    return tuple(operators.assign_anchors(cloud(140, 33), cloud(70, 33, seed=1), True))


def balls(operators: Operators) -> tuple[Tensor, ...]:
    return tuple(operators.ball_query(cloud(1, 6, 3), cloud(1, 70, 3), 80, 100.0, None, None, True))


def refused(operators: Operators) -> tuple[Tensor, ...]:
    points = cloud(1, 3000, 3)
    points[0, ::500] = float("nan")
    try:
        operators.nearest(points, points, None, None, 2, True)
    except ValueError as error:
        return (torch.tensor(list(str(error).encode())),)
    return ()


TRIALS: dict[str, Callable[[Operators], tuple[Tensor, ...]]] = {
    trial.__name__: trial for trial in (tiles, trees, passes, anchors, balls, refused)
}


def one_run(library: ctypes.CDLL, run: dict[str, Any]) -> str:
    """What the emulation and the CPU's answer say against it."""
    library.emulate_fault(run["fault"])
    library.emulate_blocks_in_order(not run["between_blocks"])
    library.emulate_seed(run["seed"])
    trial = TRIALS[run["trial"]]
    try:
        mine, other = trial(torch.ops.nvc3d_emulation), trial(torch.ops.nvc3d)
    except RuntimeError as error:
        return f"{error}\n"
    return "" if all(map(torch.equal, mine, other)) else "wrong answer\n"


def apart(library: ctypes.CDLL, runs: list[dict[str, Any]]) -> str:
    """A group in a child, with what its sanitizer says: each reports a fault only once."""
    with tempfile.TemporaryFile() as reports:
        child = os.fork()
        if child == 0:
            os.dup2(reports.fileno(), 2)
            for run in runs:
                os.write(2, one_run(library, run).encode())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        reports.seek(0)
        ended = f"ended with {status}\n" if status else ""
        return ended + reports.read().decode()


def run_trials(sanitizer: str, library: Path, groups: list[list[dict[str, Any]]]) -> list[str]:
    """The findings of each group, in a process with this sanitizer."""
    names = {"thread": ["tsan"], "address": ["asan", "ubsan"]}[sanitizer]
    found = [_output("c++", f"-print-file-name=lib{name}.so") for name in names]
    environment = {**os.environ, **OPTIONS, "LD_PRELOAD": " ".join(found)}
    command = [sys.executable, __file__, str(library)]
    return list(json.loads(_output(*command, env=environment, input=json.dumps(groups))))


def _output(*command: str, **options: Any) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr[-3000:]}")
    return result.stdout.strip()


if __name__ == "__main__":
    from nvc3d import ops

    assert ops.library.describe()["compiled"]
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    torch.ops.load_library(sys.argv[1])
    emulation = ctypes.CDLL(sys.argv[1])
    print(json.dumps([apart(emulation, runs) for runs in json.load(sys.stdin)]))
