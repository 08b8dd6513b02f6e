"""The hyper-parameters of topics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nvc3d.adapters.text.config import EncoderNet
from nvc3d.config import Bound
from nvc3d.tasks.halves import Count, DataHalf, Weight


@dataclass(frozen=True)
class TopicsData(DataHalf):
    """Which texts."""

    data: str | None = None
    """Text file, plain or gzip, or a folder of such: a text a line, after its label and a tab where
    it has one; names with train, val and test are those parts. None for the built-in grammar, where
    the verb of the first clause is the label."""
    pieces: Count = 4000
    """How many pieces words are cut into."""
    batch_pieces: Count = 2000
    """Pieces in a step."""


@dataclass(frozen=True)
class TopicsNet(EncoderNet):
    """What makes a code of a text, and what is read from that."""

    latent_dim: Count = 32
    """Size of the code."""
    anchors: Count = 20
    """Number of nebula anchors: of topics."""
    nebula_weight: Weight = 1.0
    """Weight of the nebula beside the task's loss."""
    labelled: Annotated[float, Bound("at least", 0), Bound("at most", 1)] = 1.0
    """Fraction of the training texts whose label is used, of each one at least. 0: none, there is
    no classifier, and anchors are the categories."""
    words: Weight = 0.05
    """Weight of a nat of the pieces, in any order, told by the code beside the cross-entropy of
    labels; 0: none are."""
    longest: Count = 128
    """Pieces of a text; what comes after is not looked at."""


@dataclass(frozen=True)
class TopicsConfig(TopicsNet, TopicsData):
    """Data and model of a run of topics."""
