"""What calls take beside time: memory at their peak, threads, and a share of the machine's peak.

python benchmarks/resources.py NAME     # bytes that one call of MEMORY adds, in this process
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peers import CONTENDERS
from rows import rows
from timing import sgemm_rate, wall_time

MEMORY: dict[str, Callable[[], Callable[[], Any]]] = {
    "nearest, both, 1M": lambda: _prepared("nearest", "cube 1×1000000"),
    "knn, 100k, k=20": lambda: _prepared("knn", "1×100000, 3-d, k=20"),
    "farthest point sampling, 1M": lambda: _prepared(
        "farthest_point_sampling", "cube 1×1000000→16384"
    ),
    "anchors, 1M×64×1024": lambda: _prepared("assign_anchors", "1000000×64×1024"),
}
THREADS = (
    ("nearest", "cube 4×16384"),
    ("nearest", "cube 1×100000"),
    ("knn", "1×100000, 3-d, k=20"),
    ("farthest_point_sampling", "cube 8×16384→2048"),
    ("assign_anchors", "262144×256×256"),
)


def _prepared(operator: str, name: str) -> Callable[[], Any]:
    row = next(r for r in rows() if (r.operator, r.name) == (operator, name))
    return CONTENDERS[operator]["nvc3d"][1](*row.inputs())


def memory_of(name: str) -> None:
    """Prints by how many bytes a call raises the memory of this fresh process at its peak."""
    print(added_by(MEMORY[name]()))


def added_by(call: Callable[[], Any]) -> int:
    """By how many bytes a call raises the memory of this process at its peak."""
    # What came before may have peaked higher: on Linux, 5 sets the peak back to the present.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    """A memory figure of this process in bytes."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition(f"{field}:")[2].split()[0])


def memory() -> dict[str, float]:
    """Peak megabytes of each call beside its inputs, its result included."""
    measured = {}
    for name in MEMORY:
        command = [sys.executable, __file__, name]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        measured[name] = int(output) / 2**20
    return measured


def threads(seconds: float) -> dict[str, float]:
    """How many times faster than one thread two are, by wall clock."""
    speedup = {}
    for operator, name in THREADS:
        call = _prepared(operator, name)
        taken = []
        for count in (1, 2):
            torch.set_num_threads(count)
            call()
            taken.append(wall_time(call, seconds))
        torch.set_num_threads(1)
        speedup[f"{operator}, {name}"] = taken[0] / taken[1]
    return speedup


def assign_shares(milliseconds: dict[str, float]) -> dict[str, float]:
    """Share of the machine's measured sgemm rate that the anchor kernel reaches, by workload."""
    peak = sgemm_rate()
    shares = {}
    for name, taken in milliseconds.items():
        size, dim, count = map(int, name.split("×"))
        shares[name] = 2 * size * dim * count / taken / 1e6 / peak
    return shares


if __name__ == "__main__":
    torch.set_num_threads(1)
    memory_of(sys.argv[1])
