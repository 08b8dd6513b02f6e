"""The palm that is looked for first: hands are laid on each other by it, whichever way they lie."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nvc3d.data.hands.builtin import BuiltinHands
from nvc3d.tasks.hand_pose.palm import PALM, Palm, laid

COUNT = 24


@pytest.fixture(scope="module")
def hands() -> Tensor:
    """The joints (24, 21, 3) of built-in right hands, about their mean, in units of 100 mm."""
    own = BuiltinHands(16, 0, True, count=COUNT, side="right", camera="msra")
    joints = torch.stack([own[i]["joints"] for i in range(COUNT)]).double()
    return (joints - joints.mean(1, keepdim=True)) / 100


def turns(count: int) -> Tensor:
    """Turns (count, 3, 3) any way round."""
    generator = torch.Generator().manual_seed(1)
    q, _ = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator, dtype=torch.float64))
    return q * torch.linalg.det(q)[:, None, None]


def remembered(joints: Tensor, known: Tensor | None = None) -> Palm:
    palm = Palm("pointnet", 8, 8).double()
    palm.remember(
        joints, torch.ones(joints.shape[:2], dtype=torch.bool) if known is None else known
    )
    return palm


def apart(a: Tensor, b: Tensor) -> Tensor:
    """The angles (B,) between frames, degrees."""
    trace = (a.mT @ b).diagonal(dim1=-2, dim2=-1).sum(-1)
    return ((trace - 1) / 2).clamp(-1, 1).acos() * 180 / math.pi


def test_a_hand_that_was_turned_and_moved_is_laid_back(hands: Tensor) -> None:
    turn, move = turns(COUNT), torch.randn(COUNT, 1, 3, dtype=torch.float64)
    weights = torch.rand(21, dtype=torch.float64)
    weights[3] = 0
    moved = hands @ turn.mT + move
    moved[:, 3] += 5  # counts nowhere
    found, middle = laid(hands, moved, weights)
    torch.testing.assert_close(found, turn)
    share = (weights / weights.sum())[:, None]
    torch.testing.assert_close(middle, (share * moved).sum(1))
    # Of flat hands a mirrored one is as near: none is given.
    assert (torch.linalg.det(laid(hands * torch.tensor([1.0, 1, 0]), moved, weights)[0]) > 0).all()


def test_palms_lie_on_the_mean_of_all(hands: Tensor) -> None:
    palm = remembered(hands)
    assert palm.rigid.nonzero().flatten().tolist() == list(PALM)
    turn, middle = palm.frame(hands)
    own = (hands - middle[:, None]) @ turn
    torch.testing.assert_close(own.mean(0), palm.mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(own[:, list(PALM)].mean(1), torch.zeros_like(middle))
    # People's palms are alike to millimetres, their fingers are not.
    spread = torch.linalg.vector_norm(own - palm.mean, dim=-1).mean(0)
    assert spread[list(PALM)].max() < 0.08 < spread[[8, 12, 16, 20]].min()


def test_the_mean_hand_is_the_same_whichever_way_hands_lie(hands: Tensor) -> None:
    here, there = remembered(hands), remembered(hands @ turns(COUNT).mT)
    turn, _ = here.frame(there.mean[None])
    torch.testing.assert_close(there.mean @ turn[0], here.mean, atol=1e-3, rtol=0)
    frames = [own.frame(hands)[0] for own in (here, there)]
    between = frames[0].mT @ frames[1]  # how the one mean lies beside the other
    assert apart(between, between[:1]).max() < 1


def test_joints_that_some_hands_lack_do_not_move_the_mean(hands: Tensor) -> None:
    known = torch.ones(COUNT, 21, dtype=torch.bool)
    known[::3, 5] = known[1::3, 12] = False
    lacking = torch.where(known[..., None], hands, 1e3)
    whole, own = remembered(hands), remembered(lacking, known)
    turn, _ = whole.frame(own.mean[None])
    assert torch.linalg.vector_norm(own.mean @ turn[0] - whole.mean, dim=-1).max() < 0.08


def test_where_training_tells_no_palm_all_that_it_tells_takes_its_place(hands: Tensor) -> None:
    known = torch.zeros(COUNT, 21, dtype=torch.bool)
    known[:, [4, 8, 12, 16, 20]] = True  # tips alone
    palm = remembered(hands, known)
    assert torch.equal(palm.rigid, known[0])
    turn, middle = palm.frame(hands)
    own = ((hands - middle[:, None]) @ turn)[:, known[0]]
    away = torch.linalg.vector_norm(own - palm.mean[known[0]], dim=-1).mean()
    assert away < torch.linalg.vector_norm(hands - hands.mean(0), dim=-1)[:, known[0]].mean()
    four = torch.ones_like(known)
    four[:, [0, 1]] = False
    assert torch.equal(remembered(hands, four).rigid, four[0]), "four of six are too few"
