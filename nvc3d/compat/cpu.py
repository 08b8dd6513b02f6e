"""Scripts written for a GPU, where there is none: what they ask for on "cuda" is on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


def without_gpu() -> None:
    """Answer calls for a GPU on the CPU from now on, if torch sees no GPU."""
    if torch.cuda.is_available():
        return
    _OnCpu().__enter__()
    nothing = ("set_device", "synchronize", "init")
    for name in nothing:
        setattr(torch.cuda, name, lambda *args, **kwargs: None)
    torch.cuda.current_device = lambda: 0
    for name in ("Float", "Double", "Half", "Int", "Long", "Bool", "Byte"):
        setattr(torch.cuda, f"{name}Tensor", getattr(torch, f"{name}Tensor"))
    load = torch.load

    def load_here(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            kwargs["map_location"] = "cpu"
        return load(*args, **kwargs)

    torch.load = load_here


class _OnCpu(TorchFunctionMode):
    """Takes "cuda" for "cpu" in every call of torch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.Tensor.cuda:
            return args[0]
        kwargs = {name: _here(value) for name, value in (kwargs or {}).items()}
        return func(*(_here(value) for value in args), **kwargs)


def _here(value: Any) -> Any:
    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == "cuda" else value
    if isinstance(value, str):
        return "cpu" if value == "cuda" or value.startswith("cuda:") else value
    return value
