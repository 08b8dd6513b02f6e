"""The hyper-parameters that all tasks of text share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from nvc3d.config import Bound
from nvc3d.tasks.halves import Count, ModelHalf

Rate: TypeAlias = Annotated[float, Bound("at least", 0), Bound("below", 1)]


@dataclass(frozen=True)
class EncoderNet(ModelHalf):
    """A Transformer's encoder."""

    dim: Count = 128
    """Width of the network."""
    layers: Count = 2
    """Of the encoder."""
    heads: Count = 4
    """Of the attention."""
    hidden: Count = 256
    """Width of the layers' own hidden layer."""
    dropout: Rate = 0.1
    """Of the layers."""
