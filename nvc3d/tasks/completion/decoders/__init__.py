"""Decoders of completion: from a code, and what is seen, to the points that are missing.

Each is a module (embedding (B, E), partial (B, P, 3), point features (B, P, C)) -> clouds
(B, ?, 3), from coarse to fine: all are compared with the truth in training, and the last of them,
of `points - input_points` points, is the answer. Partial clouds lie in the unit ball.

| name         | from                                                | sees the partial cloud |
|--------------|-----------------------------------------------------|------------------------|
| `seeds`      | PCN and SnowflakeNet, in one step: the cheapest     | yes                    |
| `pcn`        | PCN: a coarse cloud, a grid folded around each point| through the code       |
| `folding`    | FoldingNet: one grid folded twice                   | through the code       |
| `upsampling` | SnowflakeNet: points split in stages, by attention  | yes                    |
"""

from __future__ import annotations

from torch import nn

from nvc3d.tasks.completion.config import CompletionNet
from nvc3d.tasks.completion.decoders.folding import FoldingDecoder
from nvc3d.tasks.completion.decoders.pcn import PCNDecoder
from nvc3d.tasks.completion.decoders.seeds import SeedsDecoder
from nvc3d.tasks.completion.decoders.upsampling import UpsamplingDecoder


def decoder(config: CompletionNet, code_dim: int, point_dim: int) -> nn.Module:
    """The decoder of a config, for codes (B, code_dim) and point features (B, P, point_dim)."""
    missing = config.points - config.input_points
    if config.decoder == "pcn":
        return PCNDecoder(code_dim, missing, config.coarse, config.hidden)
    if config.decoder == "folding":
        return FoldingDecoder(code_dim, missing, config.hidden)
    if config.decoder == "upsampling":
        return UpsamplingDecoder(
            code_dim, point_dim, config.coarse, config.seeds, config.factors, config.hidden
        )
    return SeedsDecoder(
        code_dim, point_dim, config.coarse, config.seeds, missing // config.seeds, config.hidden
    )
