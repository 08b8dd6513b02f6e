"""Ctrl-C ends a call that would take minutes, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nvc3d

SCRIPT = """
import os, signal, sys, threading, time, torch
from nvc3d import ops

# Whoever runs the tests in the background has switched it off.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.manual_seed(0)
torch.set_num_threads(2)
points = lambda n, dim: torch.rand(1, n, dim)
few = points(300, 3)
before = ops.knn(few, few, 5)
calls = {
    "nearest": lambda: ops.nearest(points(500_000, 6), points(500_000, 6)),
    "chamfer_distance": lambda: ops.chamfer_distance(points(500_000, 6), points(500_000, 6)),
    "knn": lambda: ops.knn(points(500_000, 6), points(500_000, 6), 10),
    "many clouds": lambda: ops.nearest(torch.rand(64, 100_000, 6), torch.rand(64, 100_000, 6)),
    "farthest_point_sampling": lambda: ops.farthest_point_sampling(points(500_000, 6), 250_000),
    "assign_anchors": lambda: ops.assign_anchors(torch.rand(200_000, 256), torch.rand(65_536, 256)),
    "earth_movers_distance": lambda: ops.earth_movers_distance(
        points(60_000, 4), points(60_000, 4), tolerance=0
    ),
}

def interrupt():
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGINT)

if sys.argv[1] == "kept":
    seen = []
    signal.signal(signal.SIGINT, lambda *_: seen.append(True))
    threading.Thread(target=interrupt, daemon=True).start()
    x = points(30_000, 6)
    while not seen:
        index = ops.nearest(x, x)[1]
        assert torch.equal(index, torch.arange(30_000)[None])
    sys.exit(0)
threading.Thread(target=interrupt, daemon=True).start()
try:
    calls[sys.argv[1]]()
except KeyboardInterrupt:
    after = ops.knn(few, few, 5)
    sys.exit(0 if all(map(torch.equal, before, after)) else 3)
sys.exit(4)
"""


def run(case: str) -> int:
    environment = os.environ | {"PYTHONPATH": str(Path(nvc3d.__file__).parents[1])}
    command = [sys.executable, "-c", SCRIPT, case]
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


@pytest.mark.parametrize(
    "case",
    [
        "nearest",
        "chamfer_distance",
        "knn",
        "many clouds",
        "farthest_point_sampling",
        "assign_anchors",
        "earth_movers_distance",
    ],
)
def test_ctrl_c_ends_a_long_call(case: str) -> None:
    assert run(case) == 0


def test_a_handler_that_does_not_raise_lets_the_call_finish() -> None:
    assert run("kept") == 0
