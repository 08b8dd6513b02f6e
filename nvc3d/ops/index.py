"""Clouds that are searched more than once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import checks, transforms
from .ball_query import ball_query
from .ball_query import shapes as ball_shapes
from .distances import register_distances
from .knn import given, knn, limit_of, within
from .knn import shapes as knn_shapes
from .neighbours import Neighbours

# Trees are compiled, and of the CPU: elsewhere the operators answer.
_BUILDS = hasattr(torch.ops.nvc3d, "build_tree")


class Index:
    """Clouds y (B, M, D) whose trees are built once, for any number of searches.

    Its methods take and give what the operators of their names do, bit for bit, and are
    differentiable in x; they spare the time in which `nearest`, `knn` and `ball_query` build the
    tree of y in each call. Nothing changes after it is made: several threads may ask at once.
    Pickles, `copy` and `torch.save` keep the clouds and build the trees anew. There are trees on
    the CPU in up to 8 dimensions; elsewhere it calls the operators. Memory: a copy of the points,
    and of float32 18 bytes a point in up to three dimensions, 40 in up to eight; of float64 about
    twice as many.

    Args:
        y: points (B, M, D), any float dtype; half and bfloat16 are kept in float32.
        y_lengths: integers (B,): how many points of each y are real; the rest is padding.
        check_finite: refuse NaN and inf in y, once.

    Raises:
        ValueError: on empty clouds, NaN or inf, and shapes or lengths that do not fit together.
    """

    def __init__(
        self, y: Tensor, y_lengths: Tensor | None = None, *, check_finite: bool = True
    ) -> None:
        # A copy: the trees are of these numbers, whatever is written to y later.
        self.y = checks.as_points(y, "y").detach().clone(memory_format=torch.contiguous_format)
        lengths = checks.as_lengths(y_lengths, "y_lengths")
        self.y_lengths = None if lengths is None else lengths.clone()
        self._trees: Tensor | None = None
        if _BUILDS and self.y.device.type == "cpu":
            self._trees = torch.ops.nvc3d.build_tree(self.y, self.y_lengths, check_finite)
        else:
            # Its checks are wanted.
            any_x = torch.zeros_like(self.y[:, :1])
            knn(any_x, self.y, 1, None, self.y_lengths, check_finite=check_finite)

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.y, self.y_lengths)

    def nearest(
        self,
        x: Tensor,
        x_lengths: Tensor | None = None,
        *,
        norm: int = 2,
        check_finite: bool = True,
    ) -> Neighbours:
        """What `ops.nearest` gives: the nearest point of y of every x (B, N, D)."""
        found = self.knn(x, 1, x_lengths, norm=norm, check_finite=check_finite)
        return Neighbours(found.squared[..., 0], found.index[..., 0])

    def knn(
        self,
        x: Tensor,
        k: int,
        x_lengths: Tensor | None = None,
        *,
        norm: int = 2,
        radius: float | None = None,
        check_finite: bool = True,
    ) -> Neighbours:
        """What `ops.knn` gives: the k nearest points of y of every x (B, N, D), nearest first."""
        if self._trees is None:
            return knn(
                x,
                self.y,
                k,
                x_lengths,
                self.y_lengths,
                norm=norm,
                radius=radius,
                check_finite=check_finite,
            )
        limit = limit_of(radius, norm)
        found = torch.ops.nvc3d.knn_in_tree(
            checks.as_points(x, "x"),
            self.y,
            self._trees,
            k,
            checks.as_lengths(x_lengths, "x_lengths"),
            self.y_lengths,
            norm,
            check_finite,
            **given(limit),
        )
        return within(Neighbours(*found), limit)

    def ball_query(
        self,
        x: Tensor,
        radius: float,
        k: int,
        x_lengths: Tensor | None = None,
        *,
        check_finite: bool = True,
    ) -> Neighbours:
        """What `ops.ball_query` gives: for every x (B, N, D) the first k points of y, by index,
        within the radius."""
        if self._trees is None:
            return ball_query(
                x, self.y, radius, k, x_lengths, self.y_lengths, check_finite=check_finite
            )
        if not radius >= 0:
            raise ValueError(f"radius must not be negative, got {radius}")
        found = torch.ops.nvc3d.ball_query_in_tree(
            checks.as_points(x, "x"),
            self.y,
            self._trees,
            k,
            float(radius) * float(radius),
            checks.as_lengths(x_lengths, "x_lengths"),
            self.y_lengths,
            check_finite,
        )
        return Neighbours(*found)


def _restored(y: Tensor, y_lengths: Tensor | None) -> Index:
    return Index(y, y_lengths, check_finite=False)  # it was checked before


def _fake_knn(x: Tensor, y: Tensor, tree: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return knn_shapes(x, y, *rest)


def _fake_ball(x: Tensor, y: Tensor, tree: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return ball_shapes(x, y, *rest)


if _BUILDS:
    torch.library.register_fake("nvc3d::knn_in_tree", _fake_knn)
    torch.library.register_fake("nvc3d::ball_query_in_tree", _fake_ball)
    register_distances("knn_in_tree")
    register_distances("ball_query_in_tree")
    transforms.register_no_gradient("build_tree")
