"""Layers on edges from points to their neighbours, of which only the maximum is kept."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d import ops


class EdgeMaximum(nn.Module):
    """The maximum over edges of their sums, after batch norm and activation, which must not fall.

    A base of layers that are linear in what lies at both ends of an edge. No tensor of all edges is
    made.
    """

    def __init__(self, out_dim: int, activation: nn.Module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(out_dim)
        self.activation = activation

    def strongest(self, centre: Tensor, neighbour: Tensor, index: Tensor) -> Tensor:
        """The maxima (B, M, D) over k of centre (B, M, D) + neighbour (B, N, D) at the index
        (B, M, k) of the neighbours, normed and activated."""
        norm = self.norm
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None and variance is not None
        kind = torch.promote_types(neighbour.dtype, torch.float32)
        centre, neighbour = centre.to(kind), neighbour.to(kind)
        share = _share(index, neighbour) if norm.training else None
        if share is not None:
            # Squares of what is left of them, not of themselves: those would cancel.
            own, other = centre.mean((0, 1)), (share * neighbour).sum((0, 1))
            centre, neighbour = centre - own, neighbour - other
        # What follows the sum rises with it, or falls where the scale is negative: so the greatest
        # neighbour, or the least, has the greatest outcome.
        sign = torch.where(norm.weight < 0, -1, 1).to(neighbour)
        greatest, around = ops.pool_neighbours(sign * neighbour, index)  # (B, M, D) each
        if share is not None:
            squares = centre.square().mean((0, 1)) + (share * neighbour.square()).sum((0, 1))
            both = sign * (centre * around).sum((0, 1)) / index.numel()
            variance = (squares + 2 * both).clamp_min(0)
            self._remember((own + other).detach(), variance.detach(), index.numel())
        else:
            centre = centre - mean
        scale = norm.weight / (variance + norm.eps).sqrt()  # (D,)
        rows = self.activation((centre + sign * greatest) * scale + norm.bias)
        return rows.to(norm.weight.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Let the running statistics learn of a batch, as batch norm does."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        assert norm.num_batches_tracked is not None and norm.momentum is not None
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
        unbiased = variance * (count / max(count - 1, 1))
        norm.running_var.lerp_(unbiased.to(norm.running_var), norm.momentum)


def _share(index: Tensor, neighbour: Tensor) -> Tensor:
    """How often each row of neighbour (B, N, D) is one in the index (B, M, k), as a share of all:
    (B, N, 1)."""
    batch, size, _ = neighbour.shape
    first = torch.arange(batch, device=index.device)[:, None, None] * size
    times = torch.bincount((index + first).flatten(), minlength=batch * size)
    return times.view(batch, size, 1).to(neighbour) / index.numel()
