"""From pieces of a sentence to a code, from both to the pieces of its translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvc3d.adapters.text.encoder import Embedding, Encoder
from nvc3d.adapters.text.pieces import BEGIN, END, PAD, UNKNOWN, Pieces, padded
from nvc3d.adapters.text.translation.config import TranslationNet
from nvc3d.adapters.text.translation.decoder import Decoder, Memory
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.vocabulary import Vocabulary


class Told(NamedTuple):
    """What is told of N pieces of translations, and by which code."""

    scores: Tensor  # (N, pieces)
    wanted: Tensor  # (N,) int64
    code: Code | None  # of B sentences, or of all their pieces


class TranslationModel(nn.Module):
    """Translate sentences, by a Transformer with a bottleneck between encoder and decoder.

    The labels of the vocabulary are the pieces of both languages. Raises ValueError on a width that
    the heads cannot share.
    """

    def __init__(self, config: TranslationNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary, self.pieces = vocabulary, Pieces(vocabulary.labels)
        self.kind, self.each_step = config.code, config.each_step
        self.word_dropout, self.free_bits = config.word_dropout, config.free_bits
        self.label_smoothing, self.longest = config.label_smoothing, config.longest
        embedding = Embedding(len(self.pieces), config.dim)
        size = config.layers, config.heads, config.hidden, config.dropout
        self.encoder = Encoder(embedding, *size)
        self.decoder = Decoder(embedding, *size)
        self.bottleneck: Bottleneck | None = None
        self.given: nn.Linear | None = None
        if config.code != "none":
            self.bottleneck = bottleneck(
                config.bottleneck,
                config.dim,
                config.anchors,
                config.latent_dim,
                config.nebula_weight,
            )
            self.given = nn.Linear(self.bottleneck.embedding_dim, config.dim)

    @property
    def device(self) -> torch.device:
        """Of the weights."""
        return self.encoder.embedding.weight.device

    def numbers(self, texts: Sequence[str]) -> Tensor:
        """The pieces of texts (B, S), each with the mark at its end."""
        return padded([[*row, END] for row in self.pieces.encode(texts)], self.device)

    def remember(self, pieces: Tensor) -> tuple[Memory, Code | None]:
        """What is handed on of sentences (B, S), and its code."""
        found = self.encoder(pieces)
        if self.bottleneck is None or self.given is None:
            return Memory(found.pieces, found.filled, None), None
        if self.kind == "pieces":
            code = self.bottleneck(found.pieces[~found.filled])
            handed = torch.zeros_like(found.pieces)
            handed[~found.filled] = self.given(code.embedding).to(handed)
            return Memory(handed, found.filled, None), code
        code = self.bottleneck(found.sentence)
        given = self.given(code.embedding)
        seen = torch.cat([given[:, None].to(found.pieces), found.pieces], 1)
        filled = torch.cat([found.filled.new_zeros(len(given), 1), found.filled], 1)
        return Memory(seen, filled, given if self.each_step else None), code

    def forward(self, source: Tensor, target: Tensor) -> Told:
        """What is told of translations (B, T) of sentences (B, S)."""
        memory, code = self.remember(source)
        begun = torch.cat([target.new_full((len(target), 1), BEGIN), target[:, :-1]], 1)
        if self.training and self.word_dropout > 0:
            hidden = torch.rand(begun.shape, device=begun.device) < self.word_dropout
            begun = torch.where(hidden & (begun > UNKNOWN) & (begun != BEGIN), UNKNOWN, begun)
        there = target != PAD
        found = self.decoder(memory, begun)[there]
        return Told(self.decoder.scores(found), target[there], code)
