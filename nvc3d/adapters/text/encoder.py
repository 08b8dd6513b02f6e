"""From pieces of sentences to features: a Transformer's encoder."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvc3d.adapters.text.pieces import PAD


class Encoded(NamedTuple):
    """What is known of sentences; S is the length of the longest."""

    pieces: Tensor  # (B, S, dim)
    filled: Tensor  # (B, S) bool, where there is no piece
    sentence: Tensor  # (B, dim), the mean of a sentence's pieces


class Embedding(nn.Embedding):
    """Pieces (B, S) to vectors (B, S, dim) that know their place, by sines and cosines: Vaswani and
    others, "Attention Is All You Need", 2017."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__(count, dim, padding_idx=PAD)
        nn.init.normal_(self.weight, std=dim**-0.5)
        with torch.no_grad():
            self.weight[PAD].zero_()

    def at(self, pieces: Tensor, first: int = 0) -> Tensor:
        """The vectors of pieces of which the first is at a place."""
        dim = self.embedding_dim
        place = torch.arange(first, first + pieces.shape[1], device=pieces.device)
        wave = torch.arange(0, dim, 2, device=pieces.device) * (-math.log(10_000) / dim)
        angle = place[:, None] * wave.to(self.weight).exp()
        places = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :dim]
        return self(pieces) * math.sqrt(dim) + places


class Encoder(nn.Module):
    """Encode pieces (B, S), filled up with PAD, by layers of a width, `dim`.

    Args:
        embedding: of the pieces.
        layers, heads, hidden, dropout: of torch's TransformerEncoder; norms come first.
    """

    def __init__(
        self, embedding: Embedding, layers: int, heads: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        dim = embedding.embedding_dim
        if dim % heads or dim % 2:
            raise ValueError(f"dim must be even and a multiple of heads, got {dim} and {heads}")
        self.embedding = embedding
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            dim, heads, hidden, dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, layers, nn.LayerNorm(dim), enable_nested_tensor=False
        )
        begin(self.layers)

    def forward(self, pieces: Tensor) -> Encoded:
        filled = pieces == PAD
        found = self.layers(self.dropout(self.embedding.at(pieces)), src_key_padding_mask=filled)
        present = (~filled).unsqueeze(-1).to(found.dtype)
        found = found * present
        return Encoded(found, filled, found.sum(1) / present.sum(1).clamp_min(1))


def begin(layers: nn.Module) -> None:
    """Draw the weights of layers, which torch copies from the first, anew; and drop out only what a
    layer adds, not inside of it: attention is fused then, and half as many random numbers drawn."""
    for parameter in layers.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    for layer in layers.modules():
        if isinstance(layer, nn.MultiheadAttention):
            layer.dropout = 0.0
        elif isinstance(layer, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
            layer.dropout.p = 0.0
