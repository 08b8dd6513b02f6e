"""The parts a nebula is made of: k-means, metric learning, memory, rhythm."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.nebula import kmeans, metric
from nvc3d.nebula.memory import Memory
from nvc3d.nebula.rhythm import Rhythm


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def error(latents: Tensor, places: Tensor) -> float:
    return float(ops.assign_anchors(latents, places).squared.mean())


# --- k-means --------------------------------------------------------------------------------------


def test_plus_plus_picks_latents_and_spreads_them():
    latents = torch.cat([torch.randn(50, 3, generator=generator()) + 100 * i for i in range(6)])
    for seed in range(10):
        picks = kmeans.plus_plus(latents, 6, generator(seed))
        assert error(picks, latents) == 0
        assert len({int(p[0] // 50) for p in picks + 25}) == 6


def test_plus_plus_chooses_each_distinct_latent_before_any_repeats():
    latents = torch.tensor([[0.0], [0.0], [0.0], [1e-3], [1e6]])
    assert len(kmeans.plus_plus(latents, 3, generator()).unique()) == 3
    assert kmeans.plus_plus(latents, 9, generator()).shape == (9, 1)


def test_plus_plus_draws_by_the_distances_to_all_chosen_before():
    """How often each latent is among the chosen, beside the chances of all ways to choose."""
    latents = torch.randn(9, 2, generator=generator(7)).exp()
    distance = (latents[:, None] - latents).double().square().sum(2)
    chance = {frozenset([i]): 1 / 9 for i in range(9)}
    for _ in range(5):
        grown: dict[frozenset[int], float] = {}
        for chosen, share in chance.items():
            weight = distance[list(chosen)].amin(0)
            for i in range(9):
                if i not in chosen:
                    more = share * float(weight[i] / weight.sum())
                    grown[chosen | {i}] = grown.get(chosen | {i}, 0) + more
        chance = grown
    expected = torch.zeros(9, dtype=torch.float64)
    for chosen, share in chance.items():
        expected[list(chosen)] += share
    trials = 4000
    counts = torch.zeros(9, dtype=torch.float64)
    for seed in range(trials):
        picks = kmeans.plus_plus(latents, 6, generator(seed))
        counts += (picks[:, None] == latents).all(2).any(0)
    deviation = (expected * (1 - expected) / trials).sqrt()
    assert float(((counts / trials - expected).abs() / deviation).max()) < 4


@pytest.mark.parametrize("scale", [1e-16, 1.0, 1e12])
def test_plus_plus_spreads_many_anchors_as_one_draw_at_a_time_does(scale: float):
    """Of tiny, usual and huge latents in groups: on average it serves them as well."""
    groups = torch.randn(400, 16, generator=generator(2)).repeat(5, 1)
    latents = scale * (100 * groups + torch.randn(2000, 16, generator=generator(1)))
    errors, plain_errors = [], []
    for seed in range(3):
        picks = kmeans.plus_plus(latents, 900, generator(seed))
        assert picks.shape == (900, 16)
        assert error(picks / scale, latents / scale) == 0
        errors.append(error(latents / scale, picks / scale))
        plain_errors.append(error(latents / scale, one_by_one(latents, 900, seed) / scale))
    assert sum(errors) < 1.03 * sum(plain_errors)


def one_by_one(latents: Tensor, count: int, seed: int) -> Tensor:
    draws = torch.rand(count, generator=generator(seed), dtype=torch.float64)
    latents, scale = latents.double(), latents.abs().max()
    chosen = [0]
    distance = ((latents - latents[0]) / scale).square().sum(1)
    for draw in draws[1:]:
        cumulative = distance.cumsum(0)
        chosen.append(int(torch.searchsorted(cumulative, draw * cumulative[-1])))
        distance = distance.minimum(((latents - latents[chosen[-1]]) / scale).square().sum(1))
    return latents[chosen].float()


def test_lloyd_never_worsens_and_leaves_no_anchor_empty():
    latents = torch.randn(400, 5, generator=generator())
    places = 50 + torch.randn(20, 5, generator=generator(1))
    before = error(latents, places)
    for _ in range(8):
        places, _ = kmeans.lloyd(latents, places, 1)
        now = error(latents, places)
        assert now <= before * (1 + 1e-6)
        before = now
    assert len(ops.assign_anchors(latents, places).index.unique()) == 20


def test_lloyd_moves_idle_anchors_to_different_places_even_among_equal_latents():
    latents = torch.cat([torch.zeros(500, 2), torch.eye(2) * 9, torch.full((90, 2), 3.0)])
    places, _ = kmeans.lloyd(latents, torch.full((4, 2), 50.0), 3)
    assert len(ops.assign_anchors(latents, places).index.unique()) == 4


def test_lloyd_stops_where_a_step_moves_nothing(monkeypatch: pytest.MonkeyPatch):
    latents = torch.randn(300, 2, generator=generator())
    steps = []
    sums = kmeans.sums_by_anchor
    monkeypatch.setattr(kmeans, "sums_by_anchor", lambda *a: steps.append(1) or sums(*a))
    places, _ = kmeans.lloyd(latents, latents[:8], 500)
    assert len(steps) < 200
    index = ops.assign_anchors(latents, places).index
    means = torch.stack([latents[index == k].mean(0) for k in range(8)])
    torch.testing.assert_close(places, means)


@pytest.mark.parametrize("count", [1, 6, 30, 60])
def test_reassigned_finds_what_assigning_anew_does(count: int):
    """On a grid, where many anchors are equally near and some are equal."""
    latents = torch.randint(-4, 5, (2000, 2), generator=generator()).float()
    before, places = torch.randint(-4, 5, (2, 60, 2), generator=generator(1)).float()
    moved = torch.zeros(60, dtype=torch.bool)
    moved[torch.randperm(60, generator=generator(2))[:count]] = True
    places = places.where(moved[:, None], before)
    old = ops.assign_anchors(latents, before)
    found = kmeans.reassigned(latents, places, moved, *old)
    expected = ops.assign_anchors(latents, places)
    assert torch.equal(found[0], expected.squared)
    assert torch.equal(found[1], expected.index)


def test_fit_finds_the_groups_and_keeps_the_numbers():
    centres = 10 * torch.randn(6, 4, generator=generator(3))
    latents = centres.repeat(60, 1) + torch.randn(360, 4, generator=generator(4))
    start = centres + 0.5
    fitted = kmeans.fit(latents, start, generator())
    assert torch.equal(ops.assign_anchors(fitted, centres).index, torch.arange(6))
    bad = centres[:1] + 0.01 * torch.randn(6, 4, generator=generator(5))
    found = [error(latents, kmeans.fit(latents, bad, generator(seed))) for seed in range(40)]
    assert sum(e < 1.1 * error(latents, centres) for e in found) >= 37


@pytest.mark.parametrize("rounded", [False, True])
def test_renumber_takes_nearest_pairs_first(rounded):
    torch.manual_seed(0)
    new, old = torch.randn(2, 64, 2)
    if rounded:  # many are equally near, exactly so
        new, old = new.round(), old.round()
    distance = (new[:, None].double() - old.double()).square().sum(2)
    order = [0] * 64
    for _ in range(64):
        i, j = divmod(int(distance.argmin()), 64)
        order[j] = i
        distance[i], distance[:, j] = torch.inf, torch.inf
    torch.testing.assert_close(kmeans.renumber(new, old), new[order], rtol=0, atol=0)


def test_renumber_undoes_a_permutation():
    old = torch.randn(9, 3, generator=generator())
    order = torch.randperm(9, generator=generator(1))
    torch.testing.assert_close(kmeans.renumber(old[order] + 1e-3, old), old + 1e-3)


@pytest.mark.parametrize("value", [0.0, 1e-20, 7.0, 1e4])
def test_latents_that_are_all_the_same_still_give_distinct_anchors(value):
    latents = torch.full((30, 3), value)
    places = kmeans.fit(latents, torch.zeros(5, 3), generator())
    assert bool(places.isfinite().all())
    assert len(places.unique(dim=0)) == 5


def test_spread_is_the_deviation_of_the_members():
    latents = torch.cat([torch.randn(500, 2) * torch.tensor([1.0, 3.0]), torch.full((1, 2), 900.0)])
    deviation = kmeans.deviation(latents, torch.tensor([[0.0, 0.0], [900.0, 900.0], [-900.0, 0.0]]))
    torch.testing.assert_close(deviation[0], latents[:500].std(0, correction=0))
    assert bool((deviation > 0).all())


# --- metric learning ------------------------------------------------------------------------------


def plain_triplets(x: Tensor, label: Tensor, offset: float) -> Tensor:
    x, total, count = x.double(), torch.zeros((), dtype=torch.float64), 0
    for i in range(len(x)):
        for j in range(len(x)):
            for k in range(len(x)):
                if i != j and label[i] == label[j] != label[k]:
                    near, far = (x[i] - x[j]).square().sum(), (x[i] - x[k]).square().sum()
                    total, count = total + near / (far + offset), count + 1
    return total / max(count, 1)


@pytest.mark.parametrize("shift", [0.0, 30.0])
@pytest.mark.parametrize("block", [1 << 22, 20])
def test_ratio_triplets_equal_their_definition(monkeypatch, shift, block):
    monkeypatch.setattr(metric, "_PAIRS", block)
    x = (torch.randn(14, 3, generator=generator()) + shift).requires_grad_()
    label = torch.randint(4, (14,), generator=generator())
    offset = torch.tensor(0.4, requires_grad=True)
    got = metric.ratio_triplets(x, label, offset)
    expected = plain_triplets(x, label, 0.4)
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-6)
    (a,) = torch.autograd.grad(got, x, retain_graph=True)
    (b,) = torch.autograd.grad(expected, x)
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert float(torch.autograd.grad(got, offset)[0]) < 0


@pytest.mark.parametrize("label", [[0, 0, 0], [0, 1, 2], [0]])
def test_without_a_triplet_there_is_nothing_to_learn(label):
    x = torch.randn(len(label), 3, requires_grad=True)
    loss = metric.ratio_triplets(x, torch.tensor(label), torch.tensor(0.5))
    loss.backward()
    assert loss.item() == 0 and not x.grad.any()


def test_disagreement_is_least_for_views_that_agree_and_use_all_anchors():
    agree = 50 * (1 - torch.eye(4))
    collapsed = agree[:1].expand(4, 4)
    same = float(metric.disagreement(agree, agree, 100))
    assert same == pytest.approx(0, abs=1e-6)
    assert float(metric.disagreement(agree, agree.roll(1, 0), 100)) > 1
    assert float(metric.disagreement(collapsed, collapsed, 100)) > 1


def test_disagreement_does_not_depend_on_the_unit_of_the_latents():
    first, second = torch.rand(6, 5), torch.rand(6, 5)
    value = float(metric.disagreement(first, second, 8))
    assert float(metric.disagreement(1e4 * first, 1e4 * second, 8)) == pytest.approx(value)


def test_disagreement_has_a_gradient_where_an_anchor_is_too_far_for_float32():
    distances = torch.tensor([[0.0, 1.0, 9e4], [1.0, 0.0, 9e4]], requires_grad=True)
    metric.disagreement(distances, distances.flip(0), 4096).backward()
    assert distances.grad is not None and bool(distances.grad.isfinite().all())


# --- memory and rhythm ----------------------------------------------------------------------------


def test_memory_keeps_the_last_latents_in_order():
    memory, seen = Memory(10, 1), []
    for step, count in enumerate([3, 4, 5, 1, 9]):
        rows = torch.arange(count)[:, None] + 100.0 * step
        memory.add(rows)
        seen += rows[:, 0].tolist()
        assert memory.latents()[:, 0].tolist() == seen[-10:]
        assert memory.latents(6)[:, 0].tolist() == seen[-6:]


def test_memory_takes_evenly_spaced_rows_of_a_batch_too_large():
    memory = Memory(4, 1)
    memory.add(torch.arange(12.0)[:, None])
    assert memory.latents()[:, 0].tolist() == [0, 3, 6, 9]


def test_rhythm_survives_its_state_and_waits_for_what_changes():
    rhythm = Rhythm(step=300)
    checks = [rhythm.ripe(nats) for nats in (1.0, 2.0, 2.1, 4.0, 4.1)]
    assert not any(checks)
    assert rhythm.next_check > 300
    assert rhythm.ripe(4.2)
    rhythm.wake()
    assert 0 < rhythm.awake < 1
    other = Rhythm()
    other.load_state_dict(rhythm.state_dict())
    assert other.numbers() == rhythm.numbers() and other.nats == rhythm.nats
    assert other.awake == rhythm.awake


def test_a_posterior_that_tells_nothing_is_never_ripe():
    rhythm = Rhythm(step=20)
    assert not any(rhythm.ripe(0.01) for _ in range(5))
