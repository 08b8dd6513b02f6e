"""The two halves of a task's config, and the fields that tasks share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from nvc3d.config import Bound, Checked
from nvc3d.tasks.bottleneck import BottleneckName

Count: TypeAlias = Annotated[int, Bound("at least", 1)]
Share: TypeAlias = Annotated[float, Bound("above", 0), Bound("at most", 1)]
Weight: TypeAlias = Annotated[float, Bound("at least", 0)]
Whole: TypeAlias = Annotated[int, Bound("at least", 0)]


@dataclass(frozen=True)
class DataHalf(Checked):
    """What is learned from, and what is measured on. It stays with its owner: a model works
    without it."""

    data: str | None = None
    """Folder of the data; None for what is built in."""
    holdout: Share = 0.1
    """Fraction of a folder's items kept out of training, to measure on; 1: all."""
    seed: Whole = 0
    """Of the split and all that is drawn."""


@dataclass(frozen=True)
class ModelHalf(Checked):
    """What a network is: with the names of its data, all that is needed to make it again."""

    dim: Count = 256
    """Size of the encoder's global feature."""
    bottleneck: BottleneckName = "nebula"
    """What stands between encoder and decoder: a nebula, the Gaussian code of a VAE, or a plain
    code."""
    latent_dim: Count = 64
    """Size of the code."""
    anchors: Count = 24
    """Number of nebula anchors."""
    nebula_weight: Weight = 0.02
    """Weight of the nebula beside the task's loss; 1 shapes the code most."""


def halves(config: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a config by name: those of its model, and all others, which are of its data."""
    bases = [base for base in type(config).__mro__ if issubclass(base, ModelHalf)]
    # The config itself is of both halves; those of its bases that are of one tell them apart.
    own = [base for base in bases if not issubclass(base, DataHalf)]
    names = {f.name for base in own for f in dataclasses.fields(base)}
    values = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    model = {name: value for name, value in values.items() if name in names}
    return model, {name: value for name, value in values.items() if name not in names}
