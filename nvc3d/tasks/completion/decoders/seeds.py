"""Points laid around seeds, in one step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d.tasks.completion.decoders.parts import NEIGHBOURS, coarse_layers, spread, surroundings


class SeedsDecoder(nn.Module):
    """A coarse cloud from the code alone, then a fine one around what is seen and what is coarse.

    Seeds are spread over the seen points and the coarse ones together. Each then gives `per_seed`
    points, from its place, the code, and the features of the seen points around it.

    Follows Yuan et al., "PCN: Point Completion Network", 3DV 2018, for coarse to fine, and Xiang
    et al., "SnowflakeNet", ICCV 2021, for seeds that join both clouds.
    """

    def __init__(
        self, code_dim: int, point_dim: int, coarse: int, seeds: int, per_seed: int, hidden: int
    ) -> None:
        super().__init__()
        self.seeds = seeds
        self.per_seed = per_seed
        self.coarse = coarse_layers(code_dim, coarse)
        self.from_code = nn.Linear(code_dim, hidden)
        self.from_place = nn.Linear(3 + point_dim + 3 * NEIGHBOURS, hidden)
        self.offsets = nn.Sequential(
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 3 * per_seed),
        )

    def forward(self, embedding: Tensor, partial: Tensor, point_features: Tensor) -> list[Tensor]:
        coarse = self.coarse(embedding).unflatten(1, (-1, 3)).to(partial.dtype)  # (B, C, 3)
        seeds = spread(partial, coarse, self.seeds)  # (B, S, 3)
        around = surroundings(seeds, partial, point_features)
        place = self.from_place(torch.cat([seeds, around], dim=-1))  # (B, S, H)
        offsets = self.offsets(place + self.from_code(embedding)[:, None])
        fine = seeds[:, :, None] + offsets.unflatten(2, (self.per_seed, 3))  # (B, S, R, 3)
        return [coarse, fine.flatten(1, 2)]
