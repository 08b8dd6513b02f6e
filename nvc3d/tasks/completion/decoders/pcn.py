"""The decoder of PCN: a coarse cloud, and a small grid folded around each of its points."""

from __future__ import annotations

from torch import Tensor, nn

from nvc3d.tasks.completion.decoders.parts import coarse_layers, grid


class PCNDecoder(nn.Module):
    """A coarse cloud from the code, and around each of its points a small grid, folded by layers
    that see the grid, the point and the code.

    (Yuan, Khot, Held, Mertz, Hebert, "PCN: Point Completion Network", 3DV 2018.) Published with
    hidden = 512; the layers before the coarse cloud are half as wide here.
    """

    grid: Tensor  # (R, 2)

    def __init__(self, code_dim: int, points: int, coarse: int, hidden: int) -> None:
        super().__init__()
        self.coarse = coarse_layers(code_dim, coarse)
        self.register_buffer("grid", grid(points // coarse), persistent=False)
        # One layer on grid, point and code is the sum of three, made once for each of them.
        self.from_code = nn.Linear(code_dim, hidden)
        self.from_point = nn.Linear(3, hidden, bias=False)
        self.from_grid = nn.Linear(2, hidden, bias=False)
        self.offsets = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3)
        )

    def forward(self, embedding: Tensor, partial: Tensor, point_features: Tensor) -> list[Tensor]:
        coarse = self.coarse(embedding).unflatten(1, (-1, 3)).to(partial.dtype)  # (B, C, 3)
        place = self.from_point(coarse) + self.from_code(embedding)[:, None]  # (B, C, H)
        cell = self.from_grid(self.grid.to(partial.dtype))  # (R, H)
        offsets = self.offsets(place[:, :, None] + cell)  # (B, C, R, 3)
        fine = coarse[:, :, None] + offsets
        return [coarse, fine.flatten(1, 2)]
