"""The measures of planes, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nvc3d.metrics import plane_agreement, planes_found

# Two true planes of three and two points, and one point on none.
TRUTH = torch.tensor([0, 0, 0, 1, 1, -1])


def test_the_truth_agrees_with_itself_whatever_its_numbers() -> None:
    for over in ("all", "planar"):
        assert plane_agreement(TRUTH, TRUTH, over) == (1, 0, 1)
        assert plane_agreement(torch.tensor([7, 7, 7, -1, -1, 3]), TRUTH, over) == (1, 0, 1)


def test_agreement_over_planar_points_by_hand() -> None:
    # {a, b} {c, d, e} against {a, b, c} {d, e}; the sixth point is of no matter.
    for last in (-1, 0, 1, 5):
        predicted = torch.tensor([0, 0, 1, 1, 1, last])
        got = plane_agreement(predicted, TRUTH, "planar")
        # Of 10 pairs, ca, cb, cd and ce are judged differently.
        assert got.rand_index == pytest.approx(6 / 10)
        entropy = -(0.4 * math.log2(0.4) + 0.6 * math.log2(0.6))
        joint = -(2 * 0.4 * math.log2(0.4) + 0.2 * math.log2(0.2))
        assert got.variation_of_information == pytest.approx(2 * (joint - entropy))
        # IoU 2/3 for each of the four.
        assert got.covering == pytest.approx(2 / 3)


def test_agreement_over_all_points_has_what_is_on_no_plane_as_one_more_segment() -> None:
    predicted = torch.tensor([0, 0, 0, 1, -1, -1])
    got = plane_agreement(predicted, TRUTH, "all")
    # Of 15 pairs, de and ef are judged differently.
    assert got.rand_index == pytest.approx(13 / 15)
    # Both entropies are of 1/2, 1/3, 1/6; the joint one of 1/2 and three times 1/6.
    entropy = 1 / 2 + math.log2(3) / 3 + math.log2(6) / 6
    joint = 1 / 2 + math.log2(6) / 2
    assert got.variation_of_information == pytest.approx(2 * (joint - entropy))
    # IoU 1 for three points, 1/2 for the rest, both ways.
    assert got.covering == pytest.approx((3 + 3 / 2) / 6)
    planar = plane_agreement(predicted, TRUTH, "planar")
    assert planar.rand_index == pytest.approx(9 / 10)
    assert planar != got


def test_a_plane_is_found_by_more_than_half_and_near_enough() -> None:
    truth = torch.tensor([0] * 4 + [1] * 4 + [2] * 2 + [-1] * 2)
    predicted = torch.tensor([5, 5, 5, -1, 3, 3, -1, -1, 4, 4, -1, -1])
    difference = torch.tensor([0.1, 0.2, 0.3, 9.0, 0, 0, 9.0, 9.0, 0.0, 0.0, 9.0, 9.0])
    thresholds = torch.tensor([0.0, 0.1, 0.2 + 1e-6, 0.3])
    found, points = planes_found(predicted, truth, difference, thresholds)
    assert points.tolist() == [4, 4, 2]
    # The first by 3 of 4, 0.2 off; the second by half of it, which is not enough; the third wholly.
    assert found.tolist() == [[False, False, True, True], [False] * 4, [True] * 4]


def test_no_plane_in_the_truth_and_none_in_the_answer() -> None:
    none, one = torch.full((3,), -1), torch.zeros(3, dtype=torch.int64)
    found, points = planes_found(one, none, torch.zeros(3), torch.tensor([0.05, 0.1]))
    assert found.shape == (0, 2) and points.shape == (0,)
    found, points = planes_found(none, one, torch.zeros(3), torch.tensor([0.05]))
    assert found.tolist() == [[False]] and points.tolist() == [3]


@pytest.mark.parametrize(
    ("predicted", "truth", "over", "message"),
    [
        (TRUTH[:3], TRUTH, "all", r"must both be \(N,\), got \(3,\) and \(6,\)"),
        (TRUTH, TRUTH, "some", 'over must be "all" or "planar", got \'some\''),
        (TRUTH[2:], torch.tensor([-1, -1, -1, 0]), "planar", "two points must count, got 1 over"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    predicted: Tensor, truth: Tensor, over: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plane_agreement(predicted, truth, over)
    with pytest.raises(ValueError, match=r"difference must be \(6,\), got \(5,\)"):
        planes_found(TRUTH, TRUTH, torch.zeros(5), torch.zeros(1))
