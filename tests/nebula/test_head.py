"""The Gaussian head: a VAE whose weight is measured, and what a nebula is built on."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

from nvc3d.nebula import Code, GaussianHead, NearestNebula, Nebula, PaperNebula


class Model(nn.Module):
    """An autoencoder whose decoder reads the latent alone, whatever else the embedding has."""

    def __init__(self, head: GaussianHead) -> None:
        super().__init__()
        self.encoder, self.head = nn.Linear(8, 16), head
        self.decoder = nn.Linear(head.latent_dim, 8)

    def forward(self, x: Tensor, repeat: bool = False) -> Tensor:
        def call(x: Tensor) -> tuple[Tensor, ...]:
            return tuple(self.head(self.encoder(x)))

        code = Code(*(checkpoint(call, x, use_reentrant=False) if repeat else call(x)))
        task = mse_loss(self.decoder(code.embedding[..., : self.head.latent_dim].clone()), x)
        return task + self.head.losses(code).total


def blobs(seed: int, rows: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(rows, 8, generator=generator)


def train(model: Model, steps: int, **how: bool) -> Model:
    optimiser = torch.optim.SGD(model.parameters(), 1e-2)
    for step in range(steps):
        torch.manual_seed(step)
        optimiser.zero_grad()
        model(blobs(step), **how).backward()
        optimiser.step()
    return model


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


# --- code and losses ------------------------------------------------------------------------------


def test_the_embedding_is_the_latent_and_the_loss_the_kl():
    from torch.distributions import Independent, Normal, kl_divergence

    head = GaussianHead(8, 3, weight=2.0, scale=0.5)
    code = head(torch.randn(4, 5, 8))
    assert code.z.shape == (4, 5, 3) and head.embedding_dim == 3
    assert torch.equal(code.embedding, code.z)
    assert code.anchor.shape == (4, 5) and code.distances.shape == (4, 5, 0)
    losses = head.losses(code)
    q = Independent(Normal(code.mean, (0.5 * code.log_variance).exp()), 1)
    p = Independent(Normal(torch.zeros(4, 5, 3), torch.ones(4, 5, 3)), 1)
    torch.testing.assert_close(losses.kl, kl_divergence(q, p).mean())
    torch.testing.assert_close(losses.total, 2.0 * 0.5 * losses.kl)
    assert not any((losses.gravity, losses.metric, losses.view))


@pytest.mark.parametrize("make", [GaussianHead, Nebula])
def test_the_first_step_goes_without_a_constraint_whose_scale_is_not_measured(make):
    head = make(8, latent_dim=4)
    given = make(8, latent_dim=4, scale=1.0)
    x = blobs(0)[:, :8]
    for parameter in (*head.parameters(), *given.parameters()):
        parameter.requires_grad_(False)
    first = head.losses(head(x))
    assert float(first.kl) > 0 == float(first.total)
    assert float(given.losses(given(x)).total) > 0
    # Nobody measures where no task reads the code: from then on the scale is 1.
    again = head.losses(head(x))
    assert float(again.total) == pytest.approx(float(again.kl), rel=1e-6)
    assert float(head.eval().losses(head(x)).total) > 0


def test_gradients_are_right():
    head = GaussianHead(4, 2, weight=3.0, scale=0.7).double().eval()
    features = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        losses = head.losses(head(x))
        return losses.kl, losses.total

    assert torch.autograd.gradcheck(both, features)


def test_it_is_a_nebula_that_sleeps():
    head, nebula = GaussianHead(16, 6), Nebula(16, 5, 6, warmup_steps=10**9)
    torch.manual_seed(1)
    asleep = Model(nebula)
    torch.manual_seed(1)
    alone = Model(head)
    alone.load_state_dict(dict(asleep.named_parameters()), strict=False)
    train(asleep, 30), train(alone, 30)
    ours = alone.state_dict()
    for name, value in asleep.state_dict().items():
        if name in ours and "counts" not in name:
            assert torch.equal(ours[name], value), name
    assert head.rhythm.step == nebula.rhythm.step == 29 and float(head.scale) != 1


def test_a_refused_batch_leaves_no_trace():
    head = GaussianHead(8, 3)
    before = copy.deepcopy(head.state_dict())
    for bad in (torch.zeros(3, 7), torch.zeros(0, 8), torch.full((3, 8), torch.nan)):
        with pytest.raises(ValueError, match="features"):
            head(bad)
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())
    for arguments in ({"dim": 0}, {"latent_dim": 2.5}, {"weight": -1.0}, {"scale": torch.inf}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            GaussianHead(**arguments)  # type: ignore[arg-type]


# --- the order of the backward passes -------------------------------------------------------------

LOSS_SCALES = [1.0, 1024.0, 3.0, 0.25, 4096.0] * 4


def together(task: Tensor, total: Tensor, loss_scale: float) -> None:
    (loss_scale * (task + total)).backward()


def total_first(task: Tensor, total: Tensor, loss_scale: float) -> None:
    (loss_scale * total).backward(retain_graph=True)
    (loss_scale * task).backward()


def task_first(task: Tensor, total: Tensor, loss_scale: float) -> None:
    (loss_scale * task).backward(retain_graph=True)
    (loss_scale * total).backward()


def moments(
    head: GaussianHead,
    backward: Callable[[Tensor, Tensor, float], None],
    scales: list[float],
    start: int = 0,
) -> Tensor:
    for step, loss_scale in enumerate(scales, start):
        torch.manual_seed(step)
        code = head(blobs(step))
        backward(code.embedding.square().sum(1).mean(), head.losses(code).total, loss_scale)
    return head.moments


@pytest.mark.parametrize("backward", [together, total_first])
@pytest.mark.parametrize("anchors", [0, 5])
def test_a_loss_scale_is_known_when_the_draw_is_reached(backward, anchors):
    head = Nebula(8, anchors) if anchors else GaussianHead(8)
    expected = moments(copy.deepcopy(head), together, [1.0] * len(LOSS_SCALES))
    torch.testing.assert_close(moments(head, backward, LOSS_SCALES), expected)


def test_with_the_task_first_a_loss_scale_is_known_one_step_late():
    head = GaussianHead(8)
    expected, before = torch.zeros(2), 1.0
    for step, now in enumerate(LOSS_SCALES):
        seen = 50 * moments(copy.deepcopy(head), together, [1.0], step)
        ratio = torch.tensor([(now / before) ** 2, now / before])  # of the square, the curvature
        expected, before = expected.lerp(seen * ratio, 1 / 50), now
    torch.testing.assert_close(moments(head, task_first, LOSS_SCALES), expected)


# --- state ----------------------------------------------------------------------------------------


def test_it_survives_copies_files_and_averages():
    model = train(Model(GaussianHead(16, 6)), 20)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    loaded = Model(GaussianHead(16, 6))
    loaded.load_state_dict(torch.load(file))
    average = AveragedModel(model)
    average.update_parameters(model)
    assert average.module.head.rhythm.step == 19
    assert torch.equal(average.module.head.scale, model.head.scale)
    copied = copy.deepcopy(model)
    for each in (model, loaded, copied):
        train(each, 20)
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
        assert torch.equal(value, copied.state_dict()[name]), name


def test_activation_checkpointing_is_the_plain_run():
    plain = Model(GaussianHead(16, 6))
    repeated = copy.deepcopy(plain)
    train(plain, 20), train(repeated, 20, repeat=True)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(repeated.state_dict()[name], value, msg=name)


@pytest.mark.parametrize(
    "head", [GaussianHead(8, 3), Nebula(8, 4), PaperNebula(8, 4), NearestNebula(8, 4)]
)
def test_buffers_by_their_former_names_are_taken_up(head):
    state = {name: torch.full_like(value, 7) for name, value in head.state_dict().items()}
    state |= {n: v for n, v in head.state_dict().items() if n.endswith("counts")}
    former = {"scale": "strength", "loss_scale": "factor"}
    old = {former.get(name, name): value for name, value in state.items()}
    keys = set(old)
    head.load_state_dict(old, strict=True)
    assert set(old) == keys and float(head.scale) == float(head.loss_scale) == 7
    inside = nn.Sequential(head)
    inside.load_state_dict({f"0.{name}": value for name, value in old.items()}, strict=True)


# --- the verbatim forms ---------------------------------------------------------------------------


def test_the_name_of_a_gravity_makes_the_form():
    for form, name in ((PaperNebula, "paper"), (NearestNebula, "nearest"), (Nebula, "newton")):
        nebula = Nebula(8, 5, 3, name, 2.0, metric_weight=1.0)
        assert type(nebula) is form and nebula.gravity == form(8, 5).gravity == name
        assert (nebula.latent_dim, nebula.weight) == (3, 2.0)
        assert type(copy.deepcopy(nebula)) is form
        with pytest.raises(ValueError, match=f"gravity of a {form.__name__} is '{name}', got 'x'"):
            form.__init__(nebula, gravity="x")  # type: ignore[misc]
    with pytest.raises(ValueError, match="gravity of a PaperNebula is 'paper', got 'nearest'"):
        PaperNebula(8, gravity="nearest")
