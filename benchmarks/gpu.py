"""The benchmark on a GPU: which contenders run there, timing by CUDA events, and the roofline."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from rows import Row
from torch import Tensor

# Those that take tensors of the GPU.
CONTENDERS = ("nvc3d", "torch-cluster", "PyTorch3D", "torch.cdist", "torch addmm")


def moved(value: Any, device: str) -> Any:
    """Tensors, alone or in a tuple, on another device."""
    if isinstance(value, tuple):
        return tuple(moved(part, device) for part in value)
    return value.to(device) if isinstance(value, Tensor) else value


def event_times(
    contenders: dict[str, Callable[[], Any]], seconds: float, least_rounds: int = 10
) -> dict[str, float]:
    """Least time of one call, in ms, of each contender, between two events of the stream."""
    least = {name: _one(call) for name, call in contenders.items()}  # the first call warms up
    spent = dict.fromkeys(contenders, 0.0)
    rounds = dict.fromkeys(contenders, 0)
    busy = set(contenders)
    while busy:
        for name in [name for name in contenders if name in busy]:
            taken = _one(contenders[name])
            least[name] = min(least[name], taken)
            spent[name] += taken
            rounds[name] += 1
            if rounds[name] >= least_rounds and spent[name] > seconds * 1e3:
                busy.discard(name)
    return least


def _one(call: Callable[[], Any]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end)


def device_time(call: Callable[[], Any], milliseconds: float, rounds: int = 20) -> float:
    """Time of one call on the device alone, in ms: the median of replays of a captured graph.

    `milliseconds` is about what a call takes: a graph holds as many as fill a few of them. The
    call must wait for nothing: without checks of values.
    """
    repeats = max(1, min(20, int(20 / max(milliseconds, 1e-3))))
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        call(), call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(repeats):
            call()
    times = sorted(_one(graph.replay) / repeats for _ in range(rounds))
    return times[rounds // 2]


class Roofline:
    """The least time that looking at all pairs could take, by this GPU's own measured rates."""

    def __init__(self) -> None:
        a, b = torch.rand(2, 8192, 8192, device="cuda")
        before = torch.backends.cuda.matmul.allow_tf32
        fmas = {}
        for tf32 in (False, True):
            torch.backends.cuda.matmul.allow_tf32 = tf32
            fmas[tf32] = 8192**3 / event_times({"product": lambda: a @ b}, 0.3)["product"]
        torch.backends.cuda.matmul.allow_tf32 = before
        self.fma, self.tensor_fma = fmas[False], fmas[True]  # per ms
        copied = event_times({"copy": lambda: a.copy_(b)}, 0.3)["copy"]
        self.bytes = 2 * a.numel() * a.element_size() / copied  # per ms

    def __call__(self, row: Row, inputs: tuple[Any, ...]) -> float:
        """Milliseconds; nan where the work does not come from the sizes.

        A pair costs a subtraction and a multiply-add a coordinate and one comparison; an anchor
        three products on the tensor cores, whose numbers hold a third of a float's digits.
        """
        if row.operator in ("farthest_point_sampling", "earth_movers_distance", "Index"):
            return math.nan
        x, y = inputs[0], inputs[-1] if isinstance(inputs[-1], Tensor) else inputs[0]
        memory = sum(v.numel() * v.element_size() for v in (x, y)) / self.bytes
        if row.operator == "assign_anchors":
            return max(memory, 3 * x.numel() * y.shape[0] / self.tensor_fma)
        batch, size, dim = x.shape
        return max(memory, batch * size * y.shape[1] * (2 * dim + 1) / self.fma)


def machine() -> str:
    """The GPU in words."""
    major, minor = torch.cuda.get_device_capability()
    return (
        f"{torch.cuda.get_device_name()} (sm_{major}{minor}), CUDA {torch.version.cuda}, "
        f"torch {torch.__version__}"
    )
