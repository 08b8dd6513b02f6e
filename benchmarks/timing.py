"""Timing: the least CPU time of several calls, contenders taking turns."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def cpu_times(
    contenders: dict[str, Callable[[], Any]], seconds: float, least_rounds: int = 3
) -> dict[str, float]:
    """Least process CPU time of one call, in ms, of each contender.

    CPU time, because it does not count what else the machine does; the least, because noise only
    adds; in turns, so that a drift of the clock touches all alike. A contender whose first call
    takes more than `seconds` is timed by that one call.
    """
    least: dict[str, float] = {}
    for name, call in contenders.items():
        least[name] = _one(call)
    busy = {name: call for name, call in contenders.items() if least[name] < seconds}
    spent = dict.fromkeys(busy, 0.0)
    rounds = 0
    while busy:
        for name, call in list(busy.items()):
            taken = _one(call)
            least[name] = min(least[name], taken)
            spent[name] += taken
            if rounds + 1 >= least_rounds and spent[name] > seconds:
                del busy[name]
        rounds += 1
    return {name: value * 1e3 for name, value in least.items()}


def _one(call: Callable[[], Any]) -> float:
    gc.disable()
    start = time.process_time()
    call()
    taken = time.process_time() - start
    gc.enable()
    return taken


def wall_time(call: Callable[[], Any], seconds: float) -> float:
    """Least wall-clock time of one call, in ms."""
    least, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - start)
    return least * 1e3


def machine() -> str:
    """The machine in words: processor, cores, torch."""
    model = platform.processor() or platform.machine()
    flags = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        text = info.read_text()
        names = [line for line in text.splitlines() if line.startswith("model name")]
        families = [
            line.split(":")[1].strip()
            for line in text.splitlines()
            if line.startswith(("cpu family", "model\t"))
        ][:2]
        model = names[0].split(":")[1].strip() if names else model
        flags = f" (family {families[0]}, model {families[1]})" if len(families) == 2 else ""
    return f"{model}{flags}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def sgemm_rate() -> float:
    """GFLOP/s of a large float32 matrix product of torch, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    best = cpu_times({"sgemm": lambda: a @ b}, 1.0)["sgemm"]
    torch.set_num_threads(threads)
    return 2 * 1024**3 / best / 1e6
