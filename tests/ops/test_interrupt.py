"""Ctrl-C ends a call that would take minutes, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import nvc3d

SCRIPT = """
import functools, os, signal, threading, time, torch
from nvc3d import ops

# Whoever runs the tests in the background has switched it off.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.manual_seed(0)
torch.set_num_threads(2)
points = lambda *shape: torch.rand(shape)
few = points(1, 300, 3)
before = ops.knn(few, few, 5)
calls = {
    "nearest": (ops.nearest, points(1, 500_000, 6), points(1, 500_000, 6)),
    "chamfer_distance": (ops.chamfer_distance, points(1, 500_000, 6), points(1, 500_000, 6)),
    "knn": (ops.knn, points(1, 500_000, 6), points(1, 500_000, 6), 10),
    "many clouds": (ops.nearest, points(64, 100_000, 6), points(64, 100_000, 6)),
    "farthest_point_sampling": (ops.farthest_point_sampling, points(1, 500_000, 6), 250_000),
    "assign_anchors": (ops.assign_anchors, points(200_000, 128), points(65_536, 128)),
    "earth_movers_distance": (
        functools.partial(ops.earth_movers_distance, tolerance=0),
        points(1, 60_000, 4),
        points(1, 60_000, 4),
    ),
}

def interrupt_soon():
    def interrupt():
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt, daemon=True).start()

for name, (call, *arguments) in calls.items():
    interrupt_soon()
    try:
        call(*arguments)
        told = "finished"
    except KeyboardInterrupt:
        after = ops.knn(few, few, 5)
        told = "interrupted" if all(map(torch.equal, before, after)) else "damaged"
    print(name, told, sep=": ", flush=True)

seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(True))
x = points(1, 30_000, 6)
interrupt_soon()
while not seen:
    index = ops.nearest(x, x)[1]
    assert torch.equal(index, torch.arange(30_000)[None])
print("a handler that does not raise: finished")
"""


def test_ctrl_c_ends_a_long_call_and_a_handler_that_does_not_raise_lets_it_finish() -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(nvc3d.__file__).parents[1])}
    command = [sys.executable, "-c", SCRIPT]
    try:
        result = subprocess.run(
            command, env=environment, timeout=120, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"the call after these did not end: {late.stdout!r}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "nearest: interrupted",
        "chamfer_distance: interrupted",
        "knn: interrupted",
        "many clouds: interrupted",
        "farthest_point_sampling: interrupted",
        "assign_anchors: interrupted",
        "earth_movers_distance: interrupted",
        "a handler that does not raise: finished",
    ]
