"""The module as its users see it: code, losses, life in training, states, compilers."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn

from nvc3d.nebula import Code, Nebula

GRAVITIES = ["newton", "paper", "nearest"]


def blobs(rows: int, dim: int = 8, groups: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features in well-parted groups, and the group of each."""
    generator = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(groups, dim, generator=torch.Generator().manual_seed(99))
    label = torch.randint(groups, (rows,), generator=generator)
    return centres[label] + 0.3 * torch.randn(rows, dim, generator=generator), label


def train(
    nebula: Nebula, steps: int, batch: int = 64, lr: float = 1e-2, factor: float = 1.0
) -> nn.Module:
    """An autoencoder of blobs around the nebula; gives the decoder."""
    decoder = nn.Linear(nebula.embedding_dim, nebula.dim)
    optimiser = torch.optim.Adam([*nebula.parameters(), *decoder.parameters()], lr)
    nebula.train()
    for step in range(steps):
        features, _ = blobs(batch, nebula.dim, seed=step)
        code = nebula(features)
        task = (decoder(code.embedding) - features).square().mean() * factor
        optimiser.zero_grad()
        (task + nebula.losses(code).total).backward()
        optimiser.step()
    return decoder


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


# --- the code -------------------------------------------------------------------------------------


@pytest.mark.parametrize("gravity", GRAVITIES)
@pytest.mark.parametrize("training", [True, False])
def test_code_has_the_shapes_and_the_embedding_is_latent_then_assignment(gravity, training):
    nebula = Nebula(6, num_anchors=5, latent_dim=3, gravity=gravity).train(training)
    code = nebula(torch.randn(4, 6))
    assert isinstance(code, Code)
    assert code.z.shape == code.mean.shape == code.log_variance.shape == (4, 3)
    assert code.anchor.shape == (4,) and code.anchor.dtype == torch.int64
    assert code.assignment.shape == code.distances.shape == (4, 5)
    assert code.embedding.shape == (4, nebula.embedding_dim) == (4, 8)
    assert torch.equal(code.embedding[:, :3], code.z)
    torch.testing.assert_close(code.assignment.sum(1), torch.ones(4))


def test_defaults_are_as_promised():
    nebula = Nebula()
    assert (nebula.dim, nebula.num_anchors, nebula.latent_dim) == (128, 30, 128)
    assert (nebula.gravity, nebula.weight, nebula.warmup_steps) == ("newton", 1.0, None)


def test_the_nearest_anchor_weighs_most_and_is_the_nearest():
    nebula = Nebula(6, num_anchors=7).eval()
    code = nebula(torch.randn(50, 6))
    plain = (code.mean[:, None] - nebula.anchors).square().sum(-1)
    assert torch.equal(code.anchor, plain.argmin(1))
    assert torch.equal(code.anchor, code.assignment.argmax(1))
    torch.testing.assert_close(code.distances, plain)


def test_evaluation_is_deterministic_and_changes_nothing():
    nebula = Nebula(8, num_anchors=5)
    train(nebula, 30)
    nebula.eval()
    before = {key: value.clone() for key, value in nebula.state_dict().items()}
    first, second = nebula(blobs(20)[0]), nebula(blobs(20)[0])
    nebula.losses(first)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)
    assert torch.equal(first.z, first.mean)
    for key, value in nebula.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_training_draws_from_the_posterior():
    nebula = Nebula(4, num_anchors=2, latent_dim=3)
    code = nebula(torch.ones(20000, 4))
    deviation = (0.5 * code.log_variance[0]).exp()
    torch.testing.assert_close(code.z.mean(0), code.mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(code.z.std(0), deviation, atol=0.05, rtol=0)


def test_leading_dimensions_are_kept():
    nebula = Nebula(6, num_anchors=4, latent_dim=3).eval()
    features = torch.randn(2, 5, 6)
    code, flat = nebula(features), nebula(features.flatten(0, 1))
    assert code.anchor.shape == (2, 5) and code.embedding.shape == (2, 5, 7)
    torch.testing.assert_close(code.embedding.flatten(0, 1), flat.embedding)
    for a, b in zip(nebula.losses(code), nebula.losses(flat), strict=True):
        torch.testing.assert_close(a, b)


# --- the losses -----------------------------------------------------------------------------------


def plain_gravity(kind: str, points: Tensor, anchors: Tensor) -> Tensor:
    """The definitions, pair by pair, in float64."""
    points, anchors = points.double(), anchors.double()
    squared = (points[:, None] - anchors).square().sum(-1)
    own, index = squared.min(1)
    if kind == "nearest":
        return own.mean()
    dim, mass, total, pairs = points.shape[1], [], 0.0, 0
    for i in range(len(anchors)):
        members = own[index == i]
        if kind == "paper":
            mass.append(1 + members.sum())
        else:
            mass.append(1 + (members.mean() / dim if len(members) else 0.0))
    for i in range(len(anchors)):
        for j in range(i + 1, len(anchors)):
            apart = (anchors[i] - anchors[j]).square().sum()
            force = -apart.log() if kind == "paper" else (1 + 1 / (apart / dim + 0.001)).log()
            total, pairs = total + mass[i] * mass[j] * force, pairs + 1
    return torch.as_tensor(total if kind == "paper" else dim * total / pairs)


@pytest.mark.parametrize("gravity", GRAVITIES)
def test_gravity_equals_its_plain_definition(gravity):
    nebula = Nebula(6, num_anchors=5, latent_dim=3, gravity=gravity)
    code = nebula(3 * torch.randn(40, 6))
    points = code.mean if gravity == "newton" else code.z
    expected = plain_gravity(gravity, points, nebula.anchors)
    torch.testing.assert_close(nebula.losses(code).gravity.double(), expected, rtol=1e-5, atol=1e-5)


def test_kl_equals_that_of_torch_distributions():
    from torch.distributions import Independent, Normal, kl_divergence

    features = torch.randn(30, 6)
    for gravity in GRAVITIES:
        nebula = Nebula(6, num_anchors=4, gravity=gravity).eval()
        code = nebula(features)
        q = Independent(Normal(code.mean, (0.5 * code.log_variance).exp()), 1)
        centre = nebula.anchors[code.anchor] if gravity == "paper" else torch.zeros(30, 6)
        p = Independent(Normal(centre, torch.ones(30, 6)), 1)
        torch.testing.assert_close(nebula.losses(code).kl, kl_divergence(q, p).mean())


def test_awake_kl_is_the_least_bound_on_the_kl_to_the_mixture():
    nebula = Nebula(6, num_anchors=4, latent_dim=3, warmup_steps=0)
    code = nebula(torch.randn(25, 6))
    assert float(nebula.awake) == 1
    prior = torch.full((4,), 0.25).log()
    own = 0.5 * (
        (code.mean[:, None] - nebula.anchors).square()
        + code.log_variance.exp()[:, None]
        - 1
        - code.log_variance[:, None]
    ).sum(-1)  # (25, 4) KL to each anchor's Gaussian

    def bound(q: Tensor) -> Tensor:
        return (q * (own + q.log() - prior)).sum(1).mean()

    kl = nebula.losses(code).kl
    torch.testing.assert_close(kl, bound(code.assignment))
    for _ in range(5):
        other = (code.assignment.log() + 0.3 * torch.randn(25, 4)).softmax(1)
        assert bool(bound(other) > kl)


def test_total_is_the_weighted_sum():
    nebula = Nebula(
        6, 4, weight=2.0, warmup_steps=0, scale=0.5, kl_weight=3.0, gravity_weight=0.7,
        metric_weight=5.0, view_weight=11.0,
    )  # fmt: skip
    features = torch.randn(30, 6)
    code, other = nebula(features), nebula(features + 0.1)
    terms = nebula.losses(code, other)
    weighted = 3 * terms.kl + 0.7 * terms.gravity + 5 * terms.metric + 11 * terms.view
    torch.testing.assert_close(terms.total, 2.0 * 0.5 * weighted)
    assert all(term.item() > 0 for term in terms)


@pytest.mark.parametrize("gravity", GRAVITIES)
def test_gradients_are_right(gravity):
    nebula = Nebula(
        4, 3, latent_dim=2, gravity=gravity, warmup_steps=0, metric_weight=1.0
    ).double()  # fmt: skip
    features = torch.randn(9, 4, dtype=torch.float64)
    nebula(features)
    nebula.eval()
    features.requires_grad_()
    # All terms, as they are in the graph one by one and together; the view's is a constant here.
    assert torch.autograd.gradcheck(
        lambda x: nebula.losses(nebula(x))._replace(view=x.sum()), features
    )


def test_same_latents_and_same_anchors_give_no_nan():
    nebula = Nebula(4, 3, latent_dim=2, warmup_steps=0, metric_weight=1.0)
    features = torch.ones(16, 4)
    for _ in range(3):
        code = nebula(features)
        losses = nebula.losses(code)
        nebula.zero_grad()
        losses.total.backward()
        assert all(bool(p.grad.isfinite().all()) for p in nebula.parameters())
    with torch.no_grad():
        nebula.anchors.zero_()
    nebula.eval()
    nebula.zero_grad()
    nebula.losses(nebula(features)).total.backward()
    assert all(bool(p.grad.isfinite().all()) for p in nebula.parameters())


# --- life in training -----------------------------------------------------------------------------


def test_unripe_it_is_the_head_of_a_vae():
    nebula = Nebula(8, num_anchors=5, warmup_steps=1000, scale=1.0)
    train(nebula, 20)
    code = nebula(blobs(30)[0])
    losses = nebula.losses(code)
    plain = 0.5 * (code.mean.square() + code.log_variance.exp() - 1 - code.log_variance)
    torch.testing.assert_close(losses.total, plain.sum(1).mean())
    assert not code.embedding[:, 8:].any()


@pytest.mark.slow
def test_it_wakes_by_itself_and_finds_the_groups():
    nebula = Nebula(8, num_anchors=5)
    train(nebula, 600)
    state = nebula.diagnostics()
    assert state.awake == 1 and state.steps == 600
    assert state.used == 5 and state.perplexity > 4.5
    features, label = blobs(500, seed=12345)
    anchor = nebula.eval()(features).anchor
    pairs = {(int(a), int(b)) for a, b in zip(anchor, label, strict=True)}
    assert len(pairs) == 5


def test_warmup_steps_are_obeyed_and_the_anchors_fade_in():
    nebula = Nebula(8, num_anchors=5, warmup_steps=40)
    awake = []
    for step in range(60):
        nebula(blobs(16, seed=step)[0])
        awake.append(float(nebula.awake))
    assert awake[39] == 0 < awake[40] < awake[45] < 1 == awake[-1]


def test_the_constraint_is_scaled_to_the_task():
    scales = []
    for factor in (1.0, 1000.0):
        torch.manual_seed(0)
        nebula = Nebula(8, num_anchors=5)
        train(nebula, 200, factor=factor)
        scales.append(nebula.diagnostics().scale)
    assert 200 < scales[1] / scales[0] < 5000


def test_a_factor_before_the_total_is_divided_out():
    features = blobs(64)[0]
    moments = []
    for factor in (1.0, 1024.0):
        torch.manual_seed(0)
        nebula = Nebula(8, num_anchors=5)
        for _ in range(20):
            code = nebula(features)
            (
                factor * (code.embedding.square().sum(1).mean() + nebula.losses(code).total)
            ).backward()
        moments.append(nebula.moments)
    torch.testing.assert_close(moments[0], moments[1])


def test_a_task_in_nats_measures_the_same_square_and_curvature():
    # A Gaussian likelihood of unit variance whose residuals are drawn from the model itself.
    nebula = Nebula(4, 2, latent_dim=4)
    with torch.no_grad():
        nebula.posterior.weight.zero_()
        nebula.posterior.bias[:4] = 0
        nebula.posterior.bias[4:] = -6
    for _ in range(400):
        z = nebula(torch.zeros(256, 4)).z
        target = torch.randn_like(z)
        (0.5 * (3 * z - target).square().sum(1).mean()).backward()
    square, curvature = nebula.moments.tolist()
    assert square == pytest.approx(36, rel=0.1) and curvature == pytest.approx(36, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_it_never_collapses(seed):
    draw = torch.Generator().manual_seed(seed)

    def one_of(*values):
        return values[int(torch.randint(len(values), (), generator=draw))]

    dim, anchors = one_of(2, 16, 64), one_of(1, 3, 20, 64)
    lr, batch = one_of(1e-4, 1e-3, 1e-2), one_of(16, 128, 1024)
    scale, bfloat = one_of(1e-3, 1.0, 1e3), one_of(True, False)
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, dim))
    nebula = Nebula(dim, anchors, metric_weight=one_of(0.0, 1.0))
    decoder = nn.Linear(nebula.embedding_dim, 10)
    parts = nn.ModuleList([encoder, nebula, decoder])
    optimiser = torch.optim.Adam(parts.parameters(), lr)
    data = scale * torch.cat([blobs(2048, 8, 7, seed)[0], torch.rand(2048, 2)], 1)
    for _ in range(60):
        x = data[torch.randint(2048, (batch,))]
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat):
            code = nebula(encoder(x))
            task = (decoder(code.embedding) - x).square().mean()
        losses = nebula.losses(code)
        optimiser.zero_grad()
        (task + losses.total).backward()
        optimiser.step()
        assert bool(torch.stack(list(losses)).isfinite().all())
    state = nebula.diagnostics()
    assert state.least_distance > 0
    assert state.used >= 0.9 * anchors
    # Also on codes computed after the last step, which may have moved them a long way.
    parts.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat):
        code = nebula(encoder(data))
    assert bool(code.embedding.isfinite().all())
    assert len(code.anchor.unique()) >= 0.9 * anchors


def test_anchors_catch_up_with_latents_that_ran_away_and_with_no_others():
    nebula = Nebula(8, num_anchors=5, warmup_steps=10)
    train(nebula, 60)
    nebula.eval()
    before = nebula.anchors.clone()
    features, _ = blobs(400)
    nebula(features[:50] + 1000)  # too few to tell
    nebula(features)  # where they were
    assert torch.equal(nebula.anchors, before)
    train(nebula, 1)
    before = nebula.eval().anchors.clone()
    assert len(nebula(features + 1000).anchor.unique()) == 5
    assert not torch.equal(nebula.anchors, before)
    before = nebula.anchors.clone()
    nebula(features)  # only the first ones after training
    assert torch.equal(nebula.anchors, before)


def test_a_given_metric_loss_gets_latents_and_anchors():
    seen = []

    def compactness(latents: Tensor, labels: Tensor) -> Tensor:
        seen.append((latents, labels))
        return latents.square().mean()

    nebula = Nebula(8, 5, warmup_steps=0, scale=1.0, metric_weight=7.0, metric_loss=compactness)
    code = nebula(blobs(32)[0])
    losses = nebula.losses(code)
    assert torch.equal(seen[0][0], code.mean) and torch.equal(seen[0][1], code.anchor)
    torch.testing.assert_close(losses.metric, code.mean.square().mean())
    expected = losses.kl + losses.gravity + 7 * losses.metric
    torch.testing.assert_close(losses.total, expected)
    with pytest.raises(ValueError, match="metric_loss"):
        Nebula(8, 5, metric_loss=compactness)


def test_the_verbatim_forms_warn_when_they_lose_their_anchors():
    nebula = Nebula(8, num_anchors=30, gravity="nearest")
    with torch.no_grad():
        nebula.anchors[2:] += 1000
    with pytest.warns(UserWarning, match='2 of 30 .* gravity="newton"'):
        for _ in range(256):
            nebula(torch.randn(16, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(256):
            nebula(torch.randn(16, 8))


# --- states ---------------------------------------------------------------------------------------


def test_a_saved_nebula_goes_on_as_if_never_stopped(tmp_path):
    nebula = Nebula(8, num_anchors=5, warmup_steps=20)
    train(nebula, 50)
    torch.save(nebula.state_dict(), tmp_path / "state.pt")
    other = Nebula(8, num_anchors=5, warmup_steps=20)
    other.load_state_dict(torch.load(tmp_path / "state.pt"))
    third = copy.deepcopy(nebula)
    for each in (nebula, other, third):
        torch.manual_seed(7)
        train(each, 40)
    for key, value in nebula.state_dict().items():
        assert isinstance(value, Tensor)
        assert torch.equal(value, other.state_dict()[key]), key
        assert torch.equal(value, third.state_dict()[key]), key


def test_autocast_gives_losses_in_float32():
    nebula = Nebula(8, num_anchors=5, metric_weight=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        code = nebula(blobs(32)[0].bfloat16())
        losses = nebula.losses(code)
    assert all(term.dtype == torch.float32 for term in losses)
    assert code.mean.dtype == torch.float32 and code.embedding.dtype == torch.bfloat16


@pytest.mark.parametrize("training", [True, False])
def test_compiled_is_the_same(training):
    nebula = Nebula(8, num_anchors=5, warmup_steps=0, metric_weight=1.0)
    train(nebula, 10)
    other = copy.deepcopy(nebula)
    features = blobs(32)[0]

    def step(module: Nebula, x: Tensor) -> tuple[Tensor, Tensor]:
        code = module(x)
        return code.embedding, module.losses(code).total

    # The noise of a compiled graph is its own; with none of it left the rest can be compared.
    for each in (nebula, other):
        each.train(training)
        with torch.no_grad():
            each.posterior.bias[8:] = -1000
            each.posterior.weight[8:] = 0
    nebula.zero_grad()
    other.zero_grad()
    compiled = torch.compile(step, fullgraph=not training, backend="aot_eager")
    expected, got = step(nebula, features), compiled(other, features)
    torch.testing.assert_close(got, expected, atol=0.1 if training else 1e-5, rtol=1e-4)
    expected[1].backward(), got[1].backward()
    for a, b in zip(nebula.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-3)


def test_exported_is_the_same():
    nebula = Nebula(8, num_anchors=5)
    train(nebula, 30)
    nebula.eval()
    features = blobs(6)[0]
    rows = torch.export.Dim("rows", min=2, max=1024)
    program = torch.export.export(nebula, (features,), dynamic_shapes=({0: rows},))
    for count in (6, 9):
        x = blobs(count)[0]
        for a, b in zip(program.module()(x), nebula(x), strict=True):
            torch.testing.assert_close(a, b)


# --- generation and hostile input -----------------------------------------------------------------


def test_samples_are_members_of_their_anchor():
    nebula = Nebula(8, num_anchors=5)
    decoder = train(nebula, 600)
    nebula.eval()
    for anchor in range(5):
        embedding = nebula.sample(anchor, 50, torch.Generator().manual_seed(0))
        assert embedding.shape == (50, nebula.embedding_dim)
        assert bool((embedding[:, 8:].argmax(1) == anchor).all())
        again = nebula(decoder(embedding)).anchor
        assert float((again == anchor).float().mean()) > 0.9


def test_embed_agrees_with_forward():
    nebula = Nebula(8, num_anchors=5, warmup_steps=0)
    train(nebula, 10)
    code = nebula.eval()(blobs(12)[0])
    torch.testing.assert_close(nebula.embed(code.z), code.embedding)


@pytest.mark.parametrize(
    "arguments",
    [
        {"dim": 0}, {"dim": 2.5}, {"num_anchors": 0}, {"latent_dim": -1}, {"gravity": "moon"},
        {"weight": -1.0}, {"weight": float("nan")}, {"warmup_steps": -1}, {"scale": float("inf")},
        {"metric_weight": -0.1},
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Nebula(**arguments)


@pytest.mark.parametrize(
    "features",
    [
        torch.zeros(3, 7), torch.zeros(8), torch.zeros(0, 8), torch.zeros(()),
        torch.zeros(3, 8, dtype=torch.int64), torch.full((3, 8), float("nan")),
        torch.full((3, 8), float("inf")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("training", [True, False])
def test_bad_features_are_refused_and_leave_no_trace(features, training):
    nebula = Nebula(8, num_anchors=5).train(training)
    before = {key: value.clone() for key, value in nebula.state_dict().items()}
    with pytest.raises(ValueError, match="features"):
        nebula(features)
    for key, value in nebula.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_bad_requests_are_refused():
    nebula = Nebula(8, num_anchors=5).eval()
    for anchor in (-1, 5):
        with pytest.raises(ValueError, match="anchor"):
            nebula.sample(anchor)
    with pytest.raises(ValueError, match="n must"):
        nebula.sample(0, -1)
    with pytest.raises(ValueError, match="z must"):
        nebula.embed(torch.zeros(2, 3))


def test_a_single_sample_and_a_single_anchor_will_do():
    for anchors in (1, 4):
        nebula = Nebula(3, anchors, warmup_steps=0, metric_weight=1.0)
        for _ in range(3):
            losses = nebula.losses(nebula(torch.randn(1, 3)))
            assert bool(torch.stack(list(losses)).isfinite().all())


def test_alternatives_begin_with_the_mean_and_lie_toward_the_nearest_anchors():
    nebula = Nebula(8, num_anchors=5, warmup_steps=0)
    train(nebula, 50)
    features, _ = blobs(6)
    code = nebula.eval()(features)
    answers = nebula.alternatives(features, 1 + 2 * nebula.num_anchors)
    assert torch.equal(answers.z[0], code.mean)
    assert torch.equal(answers.embedding[0], code.embedding)
    order = code.distances.argsort(-1)  # (5, M)
    deviation = (0.5 * code.log_variance).exp()
    for turn in (0, 1, nebula.num_anchors):
        anchor = nebula.anchors[order[:, turn % nebula.num_anchors]]
        noise = (answers.z[1 + turn] - (code.mean + anchor) / 2) / deviation
        assert noise.abs().max() < 5, turn


def test_alternatives_are_those_of_the_posterior_while_the_anchors_sleep():
    nebula = Nebula(8, 4, 6, warmup_steps=10**9).eval()
    features = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    code = nebula(features)
    z = nebula.alternatives(features, 4001, torch.Generator().manual_seed(0)).z[1:]
    deviation = (0.5 * code.log_variance).exp()
    assert ((z.mean(0) - code.mean) / deviation).abs().max() < 0.1
    assert (z.std(0) / deviation - 1).abs().max() < 0.1
    with pytest.raises(ValueError, match="count must be an integer of at least 1, got 0"):
        nebula.alternatives(features, 0)
