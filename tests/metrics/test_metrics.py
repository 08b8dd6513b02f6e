"""Metrics of clouds, against their definitions in float64 and against numbers made by hand."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from nvc3d.metrics import (
    best_of,
    cd_l1,
    cd_l2,
    compare,
    consistency,
    emd,
    f_score,
    fidelity,
    minimal_matching_distance,
    total_mutual_difference,
    voxel_iou,
)


def definition(x: Tensor, y: Tensor, threshold: float) -> tuple[float, float, float]:
    """The three metrics of single clouds (N, 3), one step after the other."""
    distance = (x.double()[:, None] - y.double()[None]).square().sum(-1)
    there, back = distance.amin(1), distance.amin(0)
    l1 = (there.sqrt().mean() + back.sqrt().mean()) / 2 * 1000
    l2 = (there.mean() + back.mean()) * 1000
    precision = float((there.sqrt() < threshold).double().mean())
    recall = float((back.sqrt() < threshold).double().mean())
    both = precision + recall
    return float(l1), float(l2), 2 * precision * recall / both if both else 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_metrics_are_their_definitions(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 90, 3, generator=generator).to(dtype)
    y = torch.rand(4, 120, 3, generator=generator).to(dtype)
    expected = torch.tensor([definition(a, b, 0.1) for a, b in zip(x, y, strict=True)])
    result = torch.stack(compare(x, y, threshold=0.1), dim=1)
    assert 0 < expected[:, 2].min() < expected[:, 2].max() < 1
    torch.testing.assert_close(result.float(), expected.float(), rtol=1e-5, atol=1e-5)


def test_numbers_made_by_hand() -> None:
    # Distances from x: 3 and 0; from y: 0 (y_0 on x_1) and 4.
    x = torch.tensor([[[3.0, 0, 0], [0, 0, 0]]])
    y = torch.tensor([[[0.0, 0, 0], [0, 4, 0]]])
    assert cd_l1(x, y).tolist() == [1000 * (1.5 + 2) / 2]
    assert cd_l2(x, y).tolist() == [1000 * (4.5 + 8)]
    assert f_score(x, y).tolist() == [0.5]
    # Every point within 5; with a threshold of 3 the distance of 3 does not count: strictly less.
    assert f_score(x, y, threshold=5).tolist() == [1.0]
    assert f_score(x, y, threshold=3).tolist() == [0.5]
    assert f_score(x, y, threshold=3.1).tolist() == pytest.approx([2 * 1 * 0.5 / 1.5])


def test_equal_clouds_are_perfect_and_far_ones_score_zero() -> None:
    x = torch.rand(2, 30, 3)
    same, far = compare(x, x), compare(x, x + 10)
    assert same.cd_l1.tolist() == same.cd_l2.tolist() == [0, 0]
    assert same.f_score.tolist() == [1, 1]
    assert far.f_score.tolist() == [0, 0]


def test_padding_does_not_count() -> None:
    x, y = torch.rand(3, 20, 3), torch.rand(3, 25, 3)
    x_lengths, y_lengths = torch.tensor([20, 7, 1]), torch.tensor([3, 25, 1])
    padded = torch.stack(compare(x, y, x_lengths, y_lengths, threshold=0.2), dim=1)
    for i, (n, m) in enumerate(zip(x_lengths.tolist(), y_lengths.tolist(), strict=True)):
        alone = torch.stack(compare(x[i : i + 1, :n], y[i : i + 1, :m], threshold=0.2), dim=1)
        torch.testing.assert_close(padded[i : i + 1], alone)


def test_swapping_the_clouds_changes_nothing() -> None:
    x, y = torch.rand(2, 20, 3), torch.rand(2, 25, 3)
    for one, other in zip(compare(x, y), compare(y, x), strict=True):
        torch.testing.assert_close(one, other)


def test_metrics_carry_no_gradient() -> None:
    x = torch.rand(1, 5, 3, requires_grad=True)
    assert not any(value.requires_grad for value in compare(x, x))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.zeros(1, 0, 3), torch.zeros(1, 5, 3)),
        (torch.zeros(1, 5, 3), torch.zeros(2, 5, 3)),
        (torch.zeros(1, 5, 3), torch.zeros(1, 5, 2)),
        (torch.zeros(5, 3), torch.zeros(5, 3)),
        (torch.full((1, 5, 3), torch.nan), torch.zeros(1, 5, 3)),
        (torch.zeros(1, 5, 3), torch.full((1, 5, 3), torch.inf)),
    ],
)
def test_wrong_input_is_refused(x: Tensor, y: Tensor) -> None:
    for metric in (cd_l1, cd_l2, f_score):
        with pytest.raises(ValueError):
            metric(x, y)


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be > 0"):
        f_score(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), threshold=threshold)


def test_metrics_without_a_truth_made_by_hand() -> None:
    partial = torch.tensor([[[0.0, 0, 0], [3, 0, 0]]])
    completed = torch.tensor([[[0.0, 0, 0], [3, 4, 0], [9, 9, 9]]])
    assert fidelity(partial, completed).tolist() == [1000 * (0 + 3) / 2]
    # One point a cloud: the two directions add up to twice the square of what it moved.
    frames = torch.tensor([[[0.0, 0, 0]], [[1, 0, 0]], [[1, 2, 0]]])
    assert consistency(frames).tolist() == pytest.approx(1000 * (2 + 8) / 2)
    assert minimal_matching_distance(frames, frames[1:]).tolist() == [2000, 0, 0]
    for metric, arguments in [
        (consistency, [frames[:1]]),
        (minimal_matching_distance, [frames, frames[:0]]),
    ]:
        with pytest.raises(ValueError, match="must be"):
            metric(*arguments)


def test_metrics_of_several_answers_made_by_hand() -> None:
    # Of the first thing three answers of one point each, 1, 2 and 3 apart; of the second the same
    # one three times.
    answers = torch.tensor([[[[0.0, 0, 0]], [[5, 5, 5]]], [[[1, 0, 0]], [[5, 5, 5]]]])
    answers = torch.cat([answers, torch.tensor([[[[3.0, 0, 0]], [[5, 5, 5]]]])])
    truth = torch.tensor([[[1.0, 1, 0]], [[5, 5, 4]]])
    # A pair of points is compared both ways: CD-L2 is twice the square of what is between them.
    assert best_of(answers, truth).tolist() == [2000, 2000]
    assert best_of(answers[:1], truth).tolist() == [4000, 2000]
    # The means of what is between an answer and the two others: (1 + 9) / 2, (1 + 4) / 2, ...
    expected = 2000 * ((1 + 9) / 2 + (1 + 4) / 2 + (9 + 4) / 2)
    assert total_mutual_difference(answers).tolist() == [expected, 0]
    for metric, arguments in [
        (best_of, [answers[:0], truth]),
        (best_of, [answers[0], truth]),
        (total_mutual_difference, [answers[:1]]),
    ]:
        with pytest.raises(ValueError, match="answers must be"):
            metric(*arguments)


def test_emd_is_the_best_matching() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 3, 40, 3, generator=generator, dtype=torch.float64)
    expected = []
    for a, b in zip(x, y, strict=True):
        table = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").numpy()
        expected.append(1000 * table[linear_sum_assignment(table)].mean())
    assert emd(x, y).tolist() == pytest.approx(expected)


def test_voxel_iou_made_by_hand() -> None:
    truth = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]).view(3, 2, 2)
    scores = torch.tensor([[0.9, 0.5, 0.6, 0.1], [0.1, 0.2, 0, 0.5], [0.9, 0, 0, 0]])
    assert voxel_iou(scores.view(3, 2, 2), truth).tolist() == [1 / 3, 1, 0]
    assert voxel_iou(scores.view(3, 2, 2), truth.bool(), 0.4).tolist() == [2 / 3, 0, 0]
    with pytest.raises(ValueError, match="truth must be 0 or 1"):
        voxel_iou(scores, scores)
    with pytest.raises(ValueError, match="scores and truth must both be"):
        voxel_iou(scores, scores[:2])
