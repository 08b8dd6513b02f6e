"""Configs: plain dataclasses, checked when made, written to JSON and read back exactly."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

C = TypeVar("C")


_RELATIONS = {"at least": ge, "above": gt, "at most": le, "below": lt}


@dataclass(frozen=True)
class Bound:
    """A bound on a number, in its annotation: Annotated[int, Bound("at least", 1)]."""

    relation: Literal["at least", "above", "at most", "below"]
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a value keeps to it."""
        return bool(_RELATIONS[self.relation](value, self.limit))

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:g}"


class Checked:
    """The base of configs: their values keep to their annotations, or ValueError says which not.

    A `Bound` holds in a union or a tuple as well; numbers are finite, and a Literal is one of its
    values.
    """

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self), include_extras=True)
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            _check(hints[field.name], getattr(self, field.name), field.name)


def _check(hint: Any, value: Any, name: str) -> None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        bounds = [b for b in arguments[1:] if isinstance(b, Bound)]
        if value is not None and not all(b.holds(value) for b in bounds):
            raise ValueError(f"{name} must be {' and '.join(map(str, bounds))}, got {value}")
        _check(arguments[0], value, name)
    elif origin is Literal:
        if value not in arguments:
            raise ValueError(f"{name} must be one of {', '.join(arguments)}, got {value!r}")
    elif origin in (typing.Union, types.UnionType) and value is not None:
        for option in arguments:
            if option is not type(None):
                _check(option, value, name)
    elif origin is tuple and isinstance(value, tuple):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        for kind, part in zip(kinds, value, strict=False):
            _check(kind, part, name)
    elif hint is float and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")


@dataclass(frozen=True)
class TrainConfig(Checked):
    """How to train; the same words for every task."""

    steps: Annotated[int, Bound("at least", 1)] = 4000
    """Optimiser steps of the whole run."""
    batch_size: Annotated[int, Bound("at least", 1)] = 16
    """Samples in a step, over all processes together."""
    learning_rate: Annotated[float, Bound("above", 0)] = 1e-3
    """Highest learning rate of AdamW, reached after the warm-up and lowered along a cosine."""
    warmup: Annotated[float, Bound("at least", 0), Bound("below", 1)] = 0.03
    """Part of the run in which the learning rate rises from zero."""
    weight_decay: Annotated[float, Bound("at least", 0)] = 1e-2
    """AdamW's decay of the weights of linear and convolution layers."""
    clip: Annotated[float, Bound("above", 0)] = 1.0
    """Largest norm of the gradient; larger ones are scaled down to it."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of the arithmetic; float16 and bfloat16 are mixed precision."""
    max_minutes: Annotated[float, Bound("above", 0)] | None = None
    """End after so many minutes; the learning rate is lowered in time for it."""
    save_every: Annotated[int, Bound("at least", 1)] = 500
    """Steps between two checkpoints."""
    accumulate: Annotated[int, Bound("at least", 1)] = 1
    """Parts into which each batch is split, one after the other: less memory, the same step."""
    ema: Annotated[float, Bound("at least", 0), Bound("below", 1)] = 0.0
    """Decay of the mean of the weights (0.999, say), which is then measured and saved in their
    place; 0: the last weights are."""
    patience: Annotated[int, Bound("at least", 0)] = 0
    """End after so many checkpoints without a better validation, with the best weights; 0: do
    not."""
    on_nan: Literal["stop", "skip"] = "stop"
    """What is done with a batch that holds NaN or whose loss is none: its files are named, and the
    run stops or goes on without the batch."""
    keep: Annotated[int, Bound("at least", 1)] = 1
    """Checkpoints that can be resumed, the newest; the best weights are kept besides."""
    workers: Annotated[int, Bound("at least", 0)] = 0
    """Processes that prepare data; 0: the training process does it."""


def to_dict(config: Any) -> dict[str, Any]:
    """A config dataclass as JSON values."""
    return {f.name: jsonable(getattr(config, f.name)) for f in dataclasses.fields(config)}


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


def jsonable(value: Any) -> Any:
    """A value of a config as JSON has it."""
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [jsonable(v) for v in value]
    if isinstance(value, dict):
        return {name: jsonable(v) for name, v in value.items()}
    return value


def _from_json(hint: Any, value: Any, where: str) -> Any:
    """`value` as the annotated type `hint`, which may be a union, a tuple or a dataclass."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _from_json(arguments[0], value, where)
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
