"""From features of a sentence to its translation, piece by piece: a Transformer's decoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu, scaled_dot_product_attention

from nvc3d.adapters.text.encoder import Embedding, begin


class Memory(NamedTuple):
    """What a translation is made of, for B sentences."""

    pieces: Tensor  # (B, S, dim), what is attended to
    filled: Tensor  # (B, S) bool, where there is nothing
    step: Tensor | None  # (B, dim), what is added to every piece of the translation


class Cache(NamedTuple):
    """What a decoder keeps of K beginnings of each of B translations, layer by layer."""

    keys: list[Tensor]  # (B, K, heads, steps, dim of a head), of the beginnings
    values: list[Tensor]
    memory: list[tuple[Tensor, Tensor]]  # (B, heads, S, dim of a head) each, of the memory
    seen: Tensor  # (B, 1, 1, S) bool
    step: Tensor | None  # (B, 1, dim)

    def at(self, rows: Tensor, beginnings: Tensor) -> Cache:
        """Of some sentences (b,), some beginnings (b, K) each."""
        lead = rows[:, None]
        return Cache(
            [keys[lead, beginnings] for keys in self.keys],
            [values[lead, beginnings] for values in self.values],
            [(keys[rows], values[rows]) for keys, values in self.memory],
            self.seen[rows],
            None if self.step is None else self.step[rows],
        )


class Decoder(nn.Module):
    """Tell the next piece (B, T, dim) of translations (B, T), of which each is a beginning.

    Args:
        embedding: of the pieces, by which they are told as well.
        layers, heads, hidden, dropout: of torch's TransformerDecoder; norms come first.
    """

    def __init__(
        self, embedding: Embedding, layers: int, heads: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        dim = embedding.embedding_dim
        self.embedding, self.heads = embedding, heads
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerDecoderLayer(
            dim, heads, hidden, dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerDecoder(layer, layers, nn.LayerNorm(dim))
        begin(self.layers)

    def forward(self, memory: Memory, pieces: Tensor) -> Tensor:
        known = self.embedding.at(pieces)
        if memory.step is not None:
            known = known + memory.step[:, None]
        later = torch.ones(2 * pieces.shape[1:], dtype=torch.bool, device=pieces.device).triu(1)
        found: Tensor = self.layers(
            self.dropout(known),
            memory.pieces,
            tgt_mask=later,
            memory_key_padding_mask=memory.filled,
            tgt_is_causal=True,
        )
        return found

    def scores(self, found: Tensor) -> Tensor:
        """Of every piece, (..., pieces), by what was told."""
        return linear(found, self.embedding.weight)

    def start(self, memory: Memory) -> Cache:
        """What is kept of one beginning of each translation that has no piece yet."""
        batch, _, dim = memory.pieces.shape
        none = memory.pieces.new_zeros(batch, 1, self.heads, 0, dim // self.heads)
        kept = []
        for layer in self.layers.layers:
            attention = layer.multihead_attn
            weight, bias = attention.in_proj_weight[dim:], attention.in_proj_bias[dim:]
            keys, values = linear(memory.pieces, weight, bias).chunk(2, -1)
            kept.append((self._heads(keys), self._heads(values)))
        count = len(kept)
        step = None if memory.step is None else memory.step[:, None]
        return Cache([none] * count, [none] * count, kept, ~memory.filled[:, None, None], step)

    def next(self, cache: Cache, pieces: Tensor, place: int) -> Tensor:
        """What is told after pieces (B, K), the ones at a place, (B, K, dim); as in evaluation,
        and the cache remembers them."""
        batch, beginnings = pieces.shape
        known = self.embedding.at(pieces.reshape(-1, 1), place).view(batch, beginnings, -1)
        if cache.step is not None:
            known = known + cache.step
        for i, layer in enumerate(self.layers.layers):
            own, other = layer.self_attn, layer.multihead_attn
            joined = linear(layer.norm1(known), own.in_proj_weight, own.in_proj_bias)
            asked, keys, values = (
                part.view(batch, beginnings, self.heads, 1, -1) for part in joined.chunk(3, -1)
            )
            cache.keys[i] = torch.cat([cache.keys[i], keys], 3)
            cache.values[i] = torch.cat([cache.values[i], values], 3)
            found = scaled_dot_product_attention(asked, cache.keys[i], cache.values[i])
            known = known + own.out_proj(found.flatten(2))
            # Beginnings of one sentence attend to the same memory: they ask it side by side.
            dim = known.shape[-1]
            asked = linear(layer.norm2(known), other.in_proj_weight[:dim], other.in_proj_bias[:dim])
            keys, values = cache.memory[i]
            found = scaled_dot_product_attention(
                self._heads(asked), keys, values, attn_mask=cache.seen
            )
            known = known + other.out_proj(found.transpose(1, 2).flatten(2))
            known = known + layer.linear2(relu(layer.linear1(layer.norm3(known))))
        assert self.layers.norm is not None
        told: Tensor = self.layers.norm(known)
        return told

    def _heads(self, joined: Tensor) -> Tensor:
        """(B, S, dim) as (B, heads, S, dim of a head)."""
        return joined.unflatten(-1, (self.heads, -1)).transpose(1, 2)
