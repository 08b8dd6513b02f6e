"""Measures of scores and of sets of clouds, against counts and numbers made by hand."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch

from nvc3d.metrics import auroc, cd_l2, compare_sets


def test_auroc_is_the_share_of_pairs_in_order_ties_counting_half() -> None:
    generator = torch.Generator().manual_seed(0)
    for size in (2, 7, 60):
        scores = torch.randint(0, 9, (size,), generator=generator).float()
        positive = torch.rand(size, generator=generator) < 0.4
        positive[:2] = torch.tensor([True, False])
        above = scores[positive][:, None] - scores[~positive][None]
        expected = ((above > 0).double() + 0.5 * (above == 0).double()).mean()
        assert auroc(scores, positive) == pytest.approx(float(expected), abs=1e-12)
        assert auroc(-scores, positive) == pytest.approx(1 - float(expected), abs=1e-12)


def test_auroc_by_hand() -> None:
    truth = torch.tensor([True, False, True, False])
    assert auroc(torch.tensor([3.0, 1, 2, 0]), truth) == 1
    assert auroc(torch.tensor([3.0, 2, 1, 0]), truth) == 0.75
    assert auroc(torch.zeros(4), truth) == 0.5
    assert auroc(torch.tensor([inf, 1, inf, -inf]), truth) == 1
    assert auroc(torch.zeros(2), torch.tensor([True, True])) != 0.5  # nan


@pytest.mark.parametrize(
    ("scores", "positive"),
    [
        (torch.zeros(3), torch.zeros(2, dtype=torch.bool)),
        (torch.zeros(3, 1), torch.zeros(3, 1, dtype=torch.bool)),
        (torch.zeros(3), torch.zeros(3)),
        (torch.full((3,), nan), torch.zeros(3, dtype=torch.bool)),
    ],
)
def test_auroc_refuses(scores: torch.Tensor, positive: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="scores must be"):
        auroc(scores, positive)


def points(*at: float) -> torch.Tensor:
    """Clouds of one point each, along a line: CD-L2 is 2000 times the squared distance."""
    return torch.tensor(at)[:, None, None] * torch.tensor([1.0, 0, 0])


def test_sets_by_hand() -> None:
    found = compare_sets(points(0.1, 0.2, 5), points(0, 1, 2))
    # Nearest generated: 0.1, 0.2, 0.2 (1.8 away; 5 is 3).
    assert found.mmd == pytest.approx(2000 * (0.1**2 + 0.8**2 + 1.8**2) / 3, rel=1e-5)
    # 0.1 and 0.2 are nearest to 0, 5 to 2.
    assert found.coverage == pytest.approx(2 / 3)
    # 0.1 to 0.2, of as far ones the first; 0.2 to 0.1; 5 to 2; 0 to 0.1, 1 to 0.2, 2 to 1.
    assert found.one_nn == pytest.approx((1 + 1 + 0 + 0 + 0 + 1) / 6)


def test_sets_that_are_the_same_or_far_apart() -> None:
    true = torch.rand(9, 20, 3, generator=torch.Generator().manual_seed(0))
    same = compare_sets(true, true)
    assert same.mmd == 0 and same.coverage == 1 and same.one_nn == 0
    apart = compare_sets(true + 50, true)
    assert apart.one_nn == 1 and apart.coverage < 1
    copies = compare_sets(true[:1].expand(9, -1, -1), true)
    assert copies.coverage == pytest.approx(1 / 9)
    expected = cd_l2(true[:1].expand(9, -1, -1), true).mean()
    assert copies.mmd == pytest.approx(float(expected), rel=1e-5)


def test_sets_of_other_sizes_and_empty_ones() -> None:
    found = compare_sets(points(0), points(0.5, 3))
    assert (found.coverage, found.one_nn) == (0.5, pytest.approx(1 / 3))
    for bad in ((points(), points(1)), (points(1), points()), (points(1)[0], points(1))):
        with pytest.raises(ValueError, match="must be \\(B, N, 3\\) and not empty"):
            compare_sets(*bad)
