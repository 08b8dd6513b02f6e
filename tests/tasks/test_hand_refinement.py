"""Hands fitted to joints and points: what they are made of, and that they are nearer the truth."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nvc3d.data.hands.builtin import BuiltinHands
from nvc3d.metrics import mean_error_mm
from nvc3d.shapes.hands import make_hand, turns
from nvc3d.shapes.hands.cones import cones
from nvc3d.shapes.hands.people import make_skeleton
from nvc3d.shapes.hands.skin import bent
from nvc3d.shapes.hands.usual import as_skeleton, usual_angles, usual_bones
from nvc3d.tasks.hand_pose.descent import Missed, descended, robust, usual
from nvc3d.tasks.hand_pose.fitted import (
    BONES,
    SIZE,
    Hands,
    hands_of,
    of_empty_space,
    of_points,
    with_slopes,
)
from nvc3d.tasks.hand_pose.refine import refined

COUNT = 4


@pytest.fixture(scope="module")
def seen() -> tuple[Tensor, Tensor, Tensor]:
    """Points and joints of hands before the camera, and which are left ones."""
    hands = BuiltinHands(256, 0, False, count=COUNT, side="both", camera="msra")
    items = [hands[i] for i in range(COUNT)]
    left = torch.tensor([item["side"] == "left" for item in items])
    assert left.any() and not left.all()
    points, joints = (torch.stack([item[name] for item in items]) for name in ("points", "joints"))
    return points, joints, left


def some(count: int = COUNT) -> tuple[Tensor, Tensor]:
    """Numbers of hands 400 mm before the camera, and how they are turned first."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(count, SIZE, generator=generator, dtype=torch.float64)
    numbers[:, -3:] += torch.tensor([0.0, 0, 400])
    return numbers, torch.eye(3, dtype=torch.float64).expand(count, 3, 3)


def test_a_refined_hand_is_nearer_to_the_truth(seen: tuple[Tensor, Tensor, Tensor]) -> None:
    points, truth, left = seen
    generator = torch.Generator().manual_seed(0)
    # A finger is off as a whole, as those of networks are.
    off = torch.randn(COUNT, 6, 3, generator=generator).repeat_interleave(4, 1)[:, 3:]
    found, error = truth + 6 * off, torch.full((COUNT, 21), 10.0)
    fitted, misfit = refined(points, found, error, left)
    assert (refined(points, found + 80, error, left)[1] > misfit).all()
    assert fitted.dtype == found.dtype
    assert mean_error_mm(fitted, truth) < 0.5 * mean_error_mm(found, truth)
    alone, _ = refined(points[3:], found[3:], error[3:], left[3:])
    torch.testing.assert_close(alone, fitted[3:], atol=0.1, rtol=0)
    mirror = torch.tensor([-1.0, 1, 1])
    mirrored, _ = refined(points * mirror, found * mirror, error, ~left)
    torch.testing.assert_close(mirrored * mirror, fitted, atol=0.1, rtol=0)
    # Points of another thing have little to say.
    other = points.clone()
    other[:, ::10, 2] += 60
    less, _ = refined(other, found, error, left)
    assert mean_error_mm(less, truth) < 0.9 * mean_error_mm(found, truth)


def test_arms_and_what_is_held_do_not_pull() -> None:
    hands = BuiltinHands(256, 1, False, count=COUNT, arm=1.0, object=1.0, camera="msra")
    items = [hands[i] for i in range(COUNT)]
    points, truth = (torch.stack([item[name] for item in items]) for name in ("points", "joints"))
    left = torch.zeros(COUNT, dtype=torch.bool)
    off = torch.randn(COUNT, 6, 3, generator=torch.Generator().manual_seed(0))
    found = truth + 4 * off.repeat_interleave(4, 1)[:, 3:]
    fitted, _ = refined(points, found, torch.full((COUNT, 21), 7.0), left)
    assert mean_error_mm(fitted, truth) < 0.8 * mean_error_mm(found, truth)
    assert mean_error_mm(fitted[:, :1], truth[:, :1]) < mean_error_mm(found[:, :1], truth[:, :1])


def test_the_cones_fill_the_skin_of_a_bent_hand() -> None:
    hand, angles = make_hand(7), torch.full((5, 4), 0.5, dtype=torch.float64)
    _, skin = bent(hand, angles)
    starts, ends, first, last = cones(hand.skeleton, *turns(hand.skeleton, angles))
    way = ends - starts
    share = ((skin[:, None] - starts) * way).sum(-1) / way.square().sum(-1)
    share = share.clamp(0, 1)  # (V, 26)
    away = torch.linalg.vector_norm(skin[:, None] - starts - share[..., None] * way, dim=-1)
    outside = (away - first - share * (last - first)).amin(1)
    assert outside.abs().mean() < 1.5 and outside.abs().max() < 12


def test_slopes_are_what_small_changes_do(seen: tuple[Tensor, Tensor, Tensor]) -> None:
    numbers, laid = some()
    way = torch.randn(COUNT, SIZE, dtype=torch.float64)
    points = seen[0].double()
    points = points - points.mean(1, keepdim=True) + torch.tensor([0.0, 60, 400])

    def all_of(numbers: Tensor) -> tuple[Hands, list[tuple[Tensor, Tensor]]]:
        hands, slopes = with_slopes(numbers, laid)
        told = [f(points, hands.cones, slopes.cones) for f in (of_points, of_empty_space)]
        return hands, [(hands.joints, slopes.joints), *told]

    step = 1e-5
    here, there = all_of(numbers)[1], all_of(numbers + step * way)[1]
    for (values, slopes), (moved, _) in zip(here, there, strict=True):
        change = (moved - values) / step
        told = (slopes * way.view(COUNT, *[1] * (slopes.dim() - 2), SIZE)).sum(-1)
        # Nearly: that another point of a cone becomes the nearest is left out of account.
        assert (change - told).norm() < 0.2 * change.norm(), (change - told).norm() / change.norm()
    torch.testing.assert_close(hands_of(numbers, laid).joints, all_of(numbers)[0].joints)


def test_usual_hands_are_like_the_built_in_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(2000, BONES, generator=generator, dtype=torch.float64)
    found = as_skeleton(usual_bones(BONES)(numbers)).lengths
    people = torch.stack([make_skeleton(seed).lengths for seed in range(200)])
    torch.testing.assert_close(found.mean(0), people.mean(0), rtol=0.02, atol=0)
    ratio = found.sum((1, 2)).std() / people.sum((1, 2)).std()
    assert 0.85 < float(ratio) < 1.15
    numbers = torch.randn(2000, 20, generator=generator, dtype=torch.float64)
    second, third = usual_angles()(numbers).unflatten(-1, (5, 4))[:, 1:, 2:].unbind(-1)
    assert torch.corrcoef(torch.stack([second.flatten(), third.flatten()]))[0, 1] > 0.9


def test_descent_ends_where_least_is_missed() -> None:
    start = torch.tensor([[3.0, -1.0], [0.5, 4.0]], dtype=torch.float64)
    goal, rows = torch.tensor([1.0, 2.0]).double(), torch.tensor([[2.0, 1.0], [0.0, 1.0]]).double()

    def missed(numbers: Tensor) -> Missed:
        values, slopes = (numbers - goal) @ rows.T, rows.expand(len(numbers), -1, -1)
        none = torch.zeros(2, dtype=torch.float64)
        return robust(values[..., None], slopes[:, :, None], 3.0) + usual(numbers, none)

    found, misfit = descended(missed, start, 30)
    assert misfit.abs().max() < 1e-6
    torch.testing.assert_close(found, goal.expand(2, 2), atol=1e-4, rtol=0)
    pulled = usual(start, torch.tensor([2.0, 0.0]).double())
    assert pulled.value.tolist() == [18, 0.5] and pulled.slope.tolist() == [[12, 0], [2, 0]]
    far = robust(torch.full((1, 1, 1), 1e3).double(), torch.ones(1, 1, 1, 2).double(), 3.0)
    assert float(far.value) == pytest.approx(4.5 * math.log1p(1e6 / 9))
    assert float(far.slope[0, 0]) < 0.02
