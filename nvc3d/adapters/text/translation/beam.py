"""Beam search: the most likely translation among the beginnings that are followed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.adapters.text.pieces import BEGIN, END, PAD, UNKNOWN
from nvc3d.adapters.text.translation.decoder import Decoder, Memory


class Best(NamedTuple):
    """The best translation that was found of a sentence."""

    pieces: list[int]
    log_probability: float
    """of all pieces and the end, in nats"""


@torch.no_grad()
def search(
    decoder: Decoder, memory: Memory, limits: Tensor, beam: int, penalty: float
) -> list[Best]:
    """The best translations of B sentences, by their log probability over length ** penalty.

    A sentence is done when as many of its translations have ended as beginnings are followed, or
    it has as many pieces as `limits` (B,) says. What becomes of a sentence does not depend on the
    others.
    """
    device, batch = memory.pieces.device, len(memory.pieces)
    rows = torch.arange(batch, device=device)  # of the sentences that go on
    cache = decoder.start(memory)
    live = memory.pieces.new_zeros(batch, 1)  # (b, K) log probabilities of the beginnings
    begun = torch.full((batch, 1, 1), BEGIN, device=device)  # (b, K, length)
    ended = torch.zeros(batch, dtype=torch.int64, device=device)
    best: list[Best | None] = [None] * batch
    score = memory.pieces.new_full((batch,), -torch.inf)  # of the best
    for length in range(1, int(limits.max()) + 1):
        told = decoder.scores(decoder.next(cache, begun[..., -1], length - 1)).log_softmax(-1)
        told[..., [PAD, UNKNOWN, BEGIN]] = -torch.inf
        total = (live[..., None] + told).flatten(1)  # (b, K * pieces)
        # Of the beginnings that go on there must be enough, even if as many end.
        found, place = total.topk(min(2 * beam, total.shape[1]))
        parent, piece = place // told.shape[-1], place % told.shape[-1]
        last = limits[rows] == length
        ends = ((piece == END) | last[:, None]) & found.isfinite()
        ends[:, beam:] = False
        worth = (found / length**penalty).masked_fill(~ends, -torch.inf)
        for i, k in zip(*torch.where(worth > score[rows][:, None]), strict=True):
            row = int(rows[i])
            if worth[i, k] > score[row]:
                score[row] = worth[i, k]
                told_of = [*begun[i, parent[i, k], 1:].tolist(), int(piece[i, k])]
                best[row] = Best([p for p in told_of if p != END], float(found[i, k]))
        ended[rows] += ends.sum(1)
        # The first beginnings that have not ended.
        order = (piece == END).long().argsort(dim=1, stable=True)[:, :beam]
        live, parent, piece = (part.gather(1, order) for part in (found, parent, piece))
        on = torch.where((ended[rows] < beam) & ~last)[0]
        if len(on) == 0:
            break
        begun = torch.cat([begun[on[:, None], parent[on]], piece[on][..., None]], -1)
        cache, live, rows = cache.at(on, parent[on]), live[on], rows[on]
    return [one for one in best if one is not None]
