"""Configs: plain dataclasses, checked when made, written to JSON and read back exactly."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

C = TypeVar("C")


@dataclass(frozen=True)
class TrainConfig:
    """How to train; the same words for every task."""

    steps: int = 4000
    """Optimiser steps of the whole run."""
    batch_size: int = 16
    """Samples in a step, over all processes together."""
    learning_rate: float = 1e-3
    """Highest learning rate of AdamW, reached after the warm-up and lowered along a cosine."""
    warmup: float = 0.03
    """Part of the run in which the learning rate rises from zero."""
    weight_decay: float = 1e-2
    """AdamW's decay of the weights of linear and convolution layers."""
    clip: float = 1.0
    """Largest norm of the gradient; larger ones are scaled down to it."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of the arithmetic; float16 and bfloat16 are mixed precision."""
    max_minutes: float | None = None
    """End after so many minutes; the learning rate is lowered in time for it."""
    save_every: int = 500
    """Steps between two checkpoints."""
    workers: int = 0
    """Processes that prepare data; 0: the training process does it."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch_size", 1), ("save_every", 1), ("workers", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must not be negative, got {self.weight_decay}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup must be at least 0 and below 1, got {self.warmup}")
        if self.max_minutes is not None and not 0 < self.max_minutes < math.inf:
            raise ValueError(f"max_minutes must be positive, got {self.max_minutes}")


def to_dict(config: Any) -> dict[str, Any]:
    """A config dataclass as JSON values."""
    return {f.name: _to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}


def from_dict(kind: type[C], values: Any, where: str = "config") -> C:
    """The config dataclass `kind` from what `to_dict` gave; absent fields take their defaults.

    Raises ValueError, naming the field, for unknown fields, wrong types and values out of range.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object, got {_name(values)}")
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ValueError(f"{where} has no field {unknown[0]!r}; it has {', '.join(fields)}")
    hints = typing.get_type_hints(kind)
    read = {name: _from_json(hints[name], v, f"{where}.{name}") for name, v in values.items()}
    try:
        return kind(**read)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _to_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_to_json(v) for v in value]
    return value


def _from_json(hint: Any, value: Any, where: str) -> Any:
    """`value` as the annotated type `hint`, which may be a union, a tuple or a dataclass."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        options = [a for a in arguments if a is not type(None)]
        for option in options[:-1]:
            try:
                return _from_json(option, value, where)
            except ValueError:
                continue
        return _from_json(options[-1], value, where)
    if origin is Literal:
        if value in arguments:
            return value
        choices = ", ".join(str(a) for a in arguments)
        raise ValueError(f"{where} must be one of {choices}, got {value!r}")
    if origin in (tuple, list):
        if not isinstance(value, list):
            raise ValueError(f"{where} must be a list, got {_name(value)}")
        if origin is list or arguments[-1] is Ellipsis:
            kinds = [arguments[0]] * len(value)
        else:
            kinds = list(arguments)
        if len(kinds) != len(value):
            raise ValueError(f"{where} must have {len(kinds)} values, got {len(value)}")
        return origin(_from_json(k, v, where) for k, v in zip(kinds, value, strict=True))
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast("type[Any]", hint), value, where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{where} must be {hint.__name__}, got {_name(value)} {value!r}")
    return value


def _name(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
