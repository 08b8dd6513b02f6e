"""What anchors are good for besides: representatives, novelty, codes drawn anew."""

from __future__ import annotations

import math

import pytest
import torch

from nvc3d.nebula import GaussianHead, Nebula, representatives
from nvc3d.nebula.novelty import novelty


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- representatives ------------------------------------------------------------------------------

# Along a line: five latents around 0, three around 10, one at 20.
LINE = torch.tensor([-2.0, -1, 0.1, 1, 2, 9, 10.2, 11, 20])[:, None]
ANCHORS = torch.tensor([20.0, 0, 10])[:, None]


def test_the_nearest_of_each_anchor_comes_first_those_of_many_latents_before():
    assert representatives(LINE, ANCHORS, 3) == [2, 6, 8]
    assert representatives(LINE, ANCHORS, 0) == []


def test_of_too_many_anchors_k_means_goes_on_with_as_many_as_are_asked_for():
    # 10 and 20 have one centre then, at 12.55.
    assert representatives(LINE, ANCHORS, 2) == [2, 7]
    assert representatives(LINE, ANCHORS, 1, known=[3]) == [7]


def test_what_is_known_counts_as_given_by_its_anchor():
    assert representatives(LINE, ANCHORS, 2, known=[4]) == [6, 8]
    assert representatives(LINE, ANCHORS, 1, known=[7, 8]) == [2]
    assert sorted(representatives(LINE, ANCHORS, 7, known=[0, 8])) == [1, 2, 3, 4, 5, 6, 7]


def test_more_of_an_anchor_are_of_parts_of_its_latents():
    latents = torch.cat([torch.randn(40, 2, generator=generator()) * 0.1 + 5 * c for c in GRID])
    found = representatives(latents, torch.full((1, 2), 2.5), 4)
    assert sorted(i // 40 for i in found) == [0, 1, 2, 3]
    assert found == representatives(latents, torch.full((1, 2), 2.5), 4)
    for i in found:
        own = latents[i // 40 * 40 : i // 40 * 40 + 40]
        assert int((own - own.mean(0)).norm(dim=1).argmin()) == i % 40


GRID = torch.cartesian_prod(torch.arange(2.0), torch.arange(2.0))


def test_all_latents_come_once_even_where_they_coincide():
    latents = torch.zeros(7, 3)
    assert sorted(representatives(latents, torch.zeros(2, 3), 7)) == [*range(7)]


@pytest.mark.parametrize(
    ("latents", "count", "message"),
    [
        (torch.zeros(4, 2), 1, r"latents must be \(N, D\) and anchors"),
        (LINE, 9, "from 0 to the 8 latents not known, got 9"),
        (LINE, -1, "got -1"),
    ],
)
def test_representatives_refuse(latents: torch.Tensor, count: int, message: str):
    with pytest.raises(ValueError, match=message):
        representatives(latents, ANCHORS, count, known=[0])


# --- novelty --------------------------------------------------------------------------------------


def test_novelty_is_minus_the_log_density_of_the_mixture():
    seen = torch.cat(
        [
            torch.randn(300, 3, generator=generator()),
            torch.randn(100, 3, generator=generator(2)) * 0.5 + 9,
        ]
    )
    anchors = torch.tensor([[0.0] * 3, [9.0] * 3])
    points = torch.randn(4, 5, 3, generator=generator(1)) * 6
    found = novelty(points, seen, anchors)
    # Variances as of ten latents more, spread as all are around their anchor.
    groups = [seen[:300].double(), seen[300:].double() - 9]
    every = torch.cat(groups).square().mean(0)
    density = 0.0
    for share, own, anchor in zip((0.75, 0.25), groups, anchors, strict=True):
        variance = (own.square().sum(0) + 10 * every) / (len(own) + 10)
        normal = torch.distributions.Normal(anchor.double(), variance.sqrt())
        density = density + share * normal.log_prob(points.double()).sum(-1).exp()
    torch.testing.assert_close(found.nats, -density.log(), atol=1e-9, rtol=1e-9)
    own = novelty(seen, seen, anchors).nats
    expected = (own[None, None] < found.nats[..., None]).double().mean(-1)
    torch.testing.assert_close(found.rank, expected)


def test_novelty_grows_away_from_what_was_seen():
    seen = torch.randn(500, 4, generator=generator())
    anchors = torch.zeros(1, 4)
    away = torch.arange(0.0, 60, 5)[:, None].expand(-1, 4)
    found = novelty(away, seen, anchors)
    assert bool((found.nats.diff() > 0).all())
    assert float(found.rank[0]) < 0.1 and float(found.rank[-1]) == 1


def test_novelty_is_finite_without_spread_and_before_anything_was_seen():
    same = torch.ones(50, 3)
    assert bool(novelty(torch.zeros(2, 3), same, same[:2]).nats.isfinite().all())
    fresh = Nebula(8, num_anchors=5).eval().novelty(torch.zeros(2, 8))
    assert bool(fresh.nats.isfinite().all()) and fresh.rank.tolist() == [0, 0]


# --- codes drawn anew -----------------------------------------------------------------------------


def test_codes_are_drawn_from_the_anchors_by_their_share():
    nebula = Nebula(2, num_anchors=3)
    nebula.anchors.data = torch.tensor([[0.0, 0], [50, 0], [0, 50]])
    rows = nebula.anchors.detach()[[0] * 60 + [1] * 30 + [2] * 10]
    noise = torch.randn(100, 2, generator=generator()) * torch.tensor([1.0, 3.0])
    nebula.memory.add(rows + noise)
    assert nebula.share().tolist() == pytest.approx([0.6, 0.3, 0.1])
    drawn = nebula.sample_prior(20_000, generator(1))
    assert drawn.shape == (20_000, nebula.embedding_dim)
    owner = torch.cdist(drawn[:, :2], nebula.anchors.detach()).argmin(1)
    counts = owner.bincount() / 20_000
    assert counts.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.015)
    spread = drawn[owner == 0, :2].std(0).tolist()
    assert spread == pytest.approx(nebula.spread()[0].tolist(), rel=0.05)
    torch.testing.assert_close(drawn, nebula.embed(drawn[:, :2]))
    assert torch.equal(drawn, nebula.sample_prior(20_000, generator(1)))


def test_an_anchor_without_latents_is_never_drawn():
    nebula = Nebula(1, num_anchors=3)
    nebula.anchors.data = torch.tensor([[0.0], [9], [99]])
    nebula.memory.add(torch.tensor([[0.0], [98], [100]]))
    drawn = nebula.sample_prior(1000, generator())[:, 0]
    assert not bool(((drawn > 6) & (drawn < 12)).any()) and bool((drawn > 90).any())


def test_a_gaussian_head_draws_from_the_unit_gaussian():
    head = GaussianHead(8, 3)
    drawn = head.sample_prior(20_000, generator())
    assert drawn.shape == (20_000, 3)
    assert drawn.mean(0).abs().max() < 0.03 and (drawn.std(0) - 1).abs().max() < 0.03
    assert head.sample_prior(0).shape == (0, 3)
    for made in (head, Nebula(8, 4)):
        with pytest.raises(ValueError, match="count must be at least 0, got -1"):
            made.sample_prior(-1)


def test_share_is_even_before_anything_was_seen():
    assert Nebula(8, num_anchors=4).share().tolist() == [0.25] * 4
    assert math.isclose(float(Nebula(8, num_anchors=3).share().sum()), 1, rel_tol=1e-6)
