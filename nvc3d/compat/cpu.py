"""Scripts written for a GPU, where there is none: what they ask for on "cuda" is on the CPU."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from types import FrameType, SimpleNamespace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


def without_gpu() -> None:
    """Answer calls for a GPU on the CPU from now on, if torch sees no GPU."""
    if torch.cuda.is_available():
        return
    mode = _OnCpu()
    mode.__enter__()
    nothing = ("set_device", "synchronize", "init")
    for name in nothing:
        setattr(torch.cuda, name, lambda *args, **kwargs: None)
    torch.cuda.current_device = lambda: 0
    torch.cuda.current_stream = lambda *args: SimpleNamespace(cuda_stream=0)  # type: ignore[assignment]
    for name in ("device", "device_of"):
        setattr(torch.cuda, name, lambda *args: nullcontext())
    for name in ("Float", "Double", "Half", "Int", "Long", "Bool", "Byte"):
        setattr(torch.cuda, f"{name}Tensor", getattr(torch, f"{name}Tensor"))
    # Within `backward` the mode is off, since it has intercepted that; but what peers have there
    # asks for a GPU too.
    engine = torch.autograd._engine_run_backward

    def run_backward(*args: Any, **kwargs: Any) -> Any:
        with mode:
            return engine(*args, **kwargs)

    torch.autograd._engine_run_backward = run_backward
    load = torch.load

    def load_here(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            kwargs["map_location"] = "cpu"
        return load(*args, **kwargs)

    torch.load = load_here


_IS_CUDA = torch.Tensor.is_cuda.__get__  # type: ignore[attr-defined]


class _OnCpu(TorchFunctionMode):
    """Takes "cuda" for "cpu" in every call of torch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.Tensor.cuda:
            # A copy to the GPU leaves no gaps between values.
            return args[0] if args[0].is_contiguous() else args[0].clone()
        if func is torch.Tensor.pin_memory:
            return args[0]
        # Peers refuse tensors that are elsewhere; what has code for the CPU is told the truth.
        if func == _IS_CUDA and not _asked_by(sys._getframe(1)).startswith(("torch.", "spconv.")):
            return True
        kwargs = {name: _here(value) for name, value in (kwargs or {}).items()}
        return func(*(_here(value) for value in args), **kwargs)


def _asked_by(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _here(value: Any) -> Any:
    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == "cuda" else value
    if isinstance(value, str):
        value = value.replace("torch.cuda.", "torch.")  # a type's name
        return "cpu" if value == "cuda" or value.startswith("cuda:") else value
    return value
