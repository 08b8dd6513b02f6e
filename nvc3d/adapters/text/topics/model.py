"""From a text to a code, from the code to its label and its pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvc3d.adapters.labelled import Labelling
from nvc3d.adapters.text.encoder import Embedding, Encoder
from nvc3d.adapters.text.lines import tidy
from nvc3d.adapters.text.pieces import END, SPECIAL, Pieces, padded
from nvc3d.adapters.text.topics.config import TopicsNet
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.vocabulary import Vocabulary


class Read(NamedTuple):
    """What is known of a batch of texts."""

    scores: Tensor | None  # (B, categories); none without labels
    code: Code
    nats: Tensor | None  # (B,), of the pieces of each, in any order; none without `words`


class TopicsModel(Labelling):
    """A Transformer's encoder, a bottleneck, and what reads the code: a classifier, where labels
    are used, and what tells how often each piece is there, as in a topic model."""

    def __init__(self, config: TopicsNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary, self.pieces = vocabulary, Pieces(vocabulary.labels)
        self.longest, self.weight = config.longest, config.words
        self.encoder = Encoder(
            Embedding(len(self.pieces), config.dim),
            *(config.layers, config.heads, config.hidden, config.dropout),
        )
        self.bottleneck: Bottleneck = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        width = self.bottleneck.embedding_dim
        told = config.labelled > 0 and vocabulary.groups
        self.scores = nn.Linear(width, len(vocabulary.groups)) if told else None
        self.words = nn.Linear(width, len(self.pieces)) if config.words > 0 else None

    def numbers(self, texts: Sequence[str]) -> Tensor:
        """The pieces of texts (B, S), each with the mark at its end; of long ones the first."""
        rows = self.pieces.encode([tidy(text) for text in texts])
        device = self.encoder.embedding.weight.device
        return padded([[*row[: self.longest], END] for row in rows], device)

    def forward(self, pieces: Tensor) -> Read:
        code = self.bottleneck(self.encoder(pieces).sentence)
        scores = None if self.scores is None else self.scores(code.embedding)
        nats = None
        if self.words is not None:
            told = self.words(code.embedding).float().log_softmax(-1)
            nats = -(told.gather(1, pieces) * (pieces >= len(SPECIAL))).sum(1)
        return Read(scores, code, nats)

    def told(self, labels: Sequence[str]) -> Tensor:
        """The numbers of labels (B,), -1 where there is none. Raises ValueError on one that the
        model does not know."""
        known = {name: number for number, name in enumerate(self.vocabulary.groups)} | {"": -1}
        if unknown := sorted({*labels} - {*known}):
            raise ValueError(
                f"the model does not know the labels {', '.join(unknown)}; "
                f"it knows {', '.join(self.vocabulary.groups) or 'none'}"
            )
        return torch.tensor([known[label] for label in labels], dtype=torch.int64)
