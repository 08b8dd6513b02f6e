"""The decoder of FoldingNet: a sheet folded into the shape."""

from __future__ import annotations

from torch import Tensor, nn

from nvc3d.tasks.completion.decoders.parts import grid


class FoldingDecoder(nn.Module):
    """A flat grid folded into a surface by layers that see the grid and the code, and that surface
    folded once more.

    (Yang, Feng, Shen, Tian, "FoldingNet: Point Cloud Auto-encoder via Deep Grid Deformation", CVPR
    2018.) Published with hidden = 512. The second fold moves the points of the first, where the
    published one places them anew: beside the seen points, a sheet that begins as a dot has no
    reason to leave them.
    """

    grid: Tensor  # (N, 2)

    def __init__(self, code_dim: int, points: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("grid", grid(points), persistent=False)
        self.first = Fold(code_dim, 2, hidden)
        self.second = Fold(code_dim, 3, hidden)

    def forward(self, embedding: Tensor, partial: Tensor, point_features: Tensor) -> list[Tensor]:
        sheet = self.grid.to(partial.dtype).expand(embedding.shape[0], -1, -1)  # (B, N, 2)
        once = self.first(embedding, sheet).to(partial.dtype)
        return [once, once + self.second(embedding, once)]


class Fold(nn.Module):
    """Points (B, N, in_dim) and codes (B, code_dim) give points (B, N, 3)."""

    def __init__(self, code_dim: int, in_dim: int, hidden: int) -> None:
        super().__init__()
        # One layer on point and code is the sum of two, of which one is made once for a cloud.
        self.from_code = nn.Linear(code_dim, hidden)
        self.from_point = nn.Linear(in_dim, hidden, bias=False)
        self.rest = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3)
        )

    def forward(self, embedding: Tensor, points: Tensor) -> Tensor:
        return self.rest(self.from_point(points) + self.from_code(embedding)[:, None])
