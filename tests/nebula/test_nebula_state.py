"""All that a nebula knows is in its state: it survives copies, averages, files and repetition."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

from nvc3d.nebula import Code, Nebula
from nvc3d.nebula.kmeans import deviation
from nvc3d.nebula.state import AveragedState


class Model(nn.Module):
    def __init__(self, **settings: object) -> None:
        super().__init__()
        self.encoder = nn.Linear(8, 16)
        self.nebula = Nebula(16, 5, latent_dim=6, **({"warmup_steps": 20} | settings))  # type: ignore[arg-type]
        self.decoder = nn.Linear(self.nebula.embedding_dim, 8)

    def forward(self, x: Tensor) -> Tensor:
        code = self.nebula(self.encoder(x))
        return mse_loss(self.decoder(code.embedding), x) + self.nebula.losses(code).total


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def blobs(rows: int, seed: int = 0) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    centres = 4 * torch.randn(5, 8, generator=torch.Generator("cpu").manual_seed(9), device="cpu")
    label = torch.randint(5, (rows,), generator=generator, device="cpu")
    return centres[label] + 0.3 * torch.randn(rows, 8, generator=generator, device="cpu")


def train(model: nn.Module, steps: int, lr: float = 3e-3, shift: float = 0.0) -> None:
    model.train()
    wanted = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(wanted, lr)
    dtype = wanted[0].dtype
    for step in range(steps):
        optimiser.zero_grad()
        model((blobs(64, step) + shift).to(dtype)).backward()
        optimiser.step()


def assert_same(first: nn.Module, second: nn.Module) -> None:
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


# --- copies and averages --------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 30])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"multi_avg_fn": get_ema_multi_avg_fn(0.9)},
        {"avg_fn": get_ema_avg_fn(0.9)},
    ],
)
def test_an_averaged_model_remembers_what_the_model_does(how, start):
    model = Model()
    train(model, start)
    average = AveragedModel(model, **how)
    for _ in range(40):
        train(model, 1)
        average.update_parameters(model)
    own, copied = model.nebula, average.module.nebula
    assert torch.equal(own.memory.latents(), copied.memory.latents())
    a, b = own.diagnostics(), copied.diagnostics()
    assert (a.steps, a.awake, a.scale) == (b.steps, b.awake, b.scale)
    # Around its own, averaged anchors, but of the model's latents.
    assert b.used >= 2
    expected = deviation(own.memory.latents(), copied.anchors)
    assert torch.equal(copied.spread(), expected) and not bool((expected == 1).any())


@pytest.mark.parametrize("how", [{}, {"multi_avg_fn": get_ema_multi_avg_fn(0.9)}])
def test_averaged_buffers_evaluate_and_are_named_where_they_mean_nothing(how):
    model = Model()
    average = AveragedModel(model, use_buffers=True, **how)
    for _ in range(40):
        train(model, 1)
        average.update_parameters(model)
    copied = average.module.eval().nebula
    code = copied(average.module.encoder(blobs(500)))
    assert bool(code.embedding.isfinite().all()) and 0 < float(copied.awake) <= 1
    for call in (copied.diagnostics, copied.spread, lambda: copied.sample(0), average.train()):
        with pytest.raises(AveragedState, match="use_buffers=False"):
            call(blobs(8)) if isinstance(call, nn.Module) else call()


def test_copies_made_behind_torchs_back_are_seen():
    model, other = Model(), Model()
    train(model, 30)
    for mine, theirs in zip(model.buffers(), other.buffers(), strict=True):
        theirs.data.copy_(mine.data)
    assert other.nebula.diagnostics().steps == 30
    assert torch.equal(other.nebula.memory.latents(), model.nebula.memory.latents())


def reloaded(model: Model) -> Model:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded: Model = torch.load(file, weights_only=False)
    return loaded


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), reloaded]
)
def test_a_copy_goes_on_as_the_model_does(copied: Callable[[Model], Model]):
    model = Model()
    train(model, 33)
    other = copied(model)
    for each in (model, other):
        torch.manual_seed(1)
        train(each, 40)
    assert_same(model, other)


# --- saved states ---------------------------------------------------------------------------------


def former(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state as it was saved before what is counted became buffers."""
    numbers = dict(zip(["step", "woke", "next_check", "next_fit", "quiet"], range(5), strict=True))
    counts = {k: state["nebula.rhythm.counts"][i] >> 20 for k, i in numbers.items()}
    seen = state["nebula.memory.counts"][0] >> 20
    old = {k: v for k, v in state.items() if not k.endswith("counts") and "nats" not in k}
    old["nebula.memory.step"] = torch.zeros(len(state["nebula.memory.rows"]), dtype=torch.int64)
    order = ("step", "woke", "next_check", "next_fit")
    old["nebula._extra_state"] = torch.tensor(
        [seen, *(counts[k] for k in order), float(state["nebula.rhythm.nats"]), counts["quiet"]],
        dtype=torch.float64,
    )
    return old


@pytest.mark.parametrize("warmup", [20, None])
def test_a_former_state_is_taken_up(warmup):
    model, other = Model(warmup_steps=warmup), Model(warmup_steps=warmup)
    train(model, 260 if warmup is None else 45)
    old = former(model.state_dict())
    keys = set(old)
    other.load_state_dict(old)
    assert set(old) == keys
    model.nebula.rhythm.settled = model.nebula.rhythm.step
    assert_same(model, other)
    for each in (model, other):
        torch.manual_seed(1)
        train(each, 30)
    assert_same(model, other)


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: without(state, "memory.rows"),
        lambda state: without(state, "rhythm.counts"),
        lambda state: without(state, "anchors"),
        lambda state: state | {"moons": torch.zeros(3)},
        lambda state: state | {"anchors": torch.zeros(9, 6)},
        lambda state: state | {"memory.rows": torch.zeros(99, 6)},
        lambda state: state | {"posterior.bias": torch.zeros(99)},
        lambda state: state | {"rhythm.counts": torch.zeros(2, dtype=torch.int64)},
    ],
)
@pytest.mark.parametrize("assign", [False, True])
def test_a_refused_state_changes_nothing(spoil, assign):
    model, other = Model(), Model()
    train(model, 30)
    train(other, 10)
    before = copy.deepcopy(other)
    with pytest.raises(RuntimeError):
        other.nebula.load_state_dict(spoil(model.nebula.state_dict()), assign=assign)
    assert_same(other, before)


def test_a_state_of_other_anchors_changes_nothing_in_a_nebula_within_a_model():
    model, other = Model(), Model()
    other.nebula = Nebula(16, 7, latent_dim=6)
    train(model, 30)
    before = copy.deepcopy(other.nebula)
    for strict in (True, False):
        with pytest.raises(RuntimeError, match="size mismatch"):
            other.load_state_dict(model.state_dict(), strict=strict)
        assert_same(other.nebula, before)


def test_weights_alone_can_be_loaded():
    model, other = Model(), Model()
    train(model, 30)
    weights = dict(model.nebula.named_parameters())
    missing, unexpected = other.nebula.load_state_dict(weights, strict=False)
    assert "memory.rows" in missing and not unexpected
    assert torch.equal(other.nebula.anchors, model.nebula.anchors)
    assert other.nebula.diagnostics().steps == 0
    train(other, 3)


def test_a_loaded_model_evaluates_as_the_one_in_memory_does():
    model, loaded = Model(), Model()
    train(model, 60)
    loaded.load_state_dict(model.state_dict())
    far = blobs(500) + 1000  # as if the last step had moved the latents a long way
    first, second = (each.eval().nebula(each.encoder(far)) for each in (model, loaded))
    assert len(first.anchor.unique()) == 5
    assert torch.equal(first.embedding, second.embedding)
    again = Model()
    again.load_state_dict(model.state_dict())
    near = blobs(500)
    first, second = (each.eval().nebula(each.encoder(near)) for each in (model, again))
    assert torch.equal(first.embedding, second.embedding)


# --- forward passes that are repeated, or are several ---------------------------------------------


def plain(call: Callable[..., object], *arguments: object) -> object:
    return call(*arguments)


def one_view(model: Model, x: Tensor, run: Callable[..., object]) -> Tensor:
    code = Code(*run(lambda t: tuple(model.nebula(model.encoder(t))), x))
    return mse_loss(model.decoder(code.embedding), x) + model.nebula.losses(code).total


def two_views(model: Model, x: Tensor, run: Callable[..., object]) -> Tensor:
    codes = [
        Code(*run(lambda t: tuple(model.nebula(model.encoder(t))), y))
        for y in (x, x + 0.1 * x.sin())
    ]
    reconstructed = mse_loss(model.decoder(codes[0].embedding), x)
    return reconstructed + model.nebula.losses(*codes).total


def whole_losses(model: Model, x: Tensor, run: Callable[..., object]) -> Tensor:
    return sum(run(model, part) for part in x.chunk(3))  # type: ignore[misc]


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("loss", [one_view, two_views, whole_losses])
def test_activation_checkpointing_is_the_plain_run(loss, reentrant):
    def repeated(call: Callable[..., object], x: Tensor) -> object:
        return checkpoint(call, x, use_reentrant=reentrant)

    models = Model(warmup_steps=8), Model(warmup_steps=8)
    models[1].load_state_dict(models[0].state_dict())
    for step in range(24):
        x = blobs(64, step).requires_grad_()
        for model, run in zip(models, (plain, repeated), strict=True):
            torch.manual_seed(step)
            model.zero_grad()
            loss(model, x, run).backward()
        for (name, a), b in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
            torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-5, msg=f"{step} {name}")
            # The same weights for both, so that rounding does not add up.
            a.data -= 3e-3 * a.grad
            b.data.copy_(a.data)
    for (name, a), b in zip(
        models[0].state_dict().items(), models[1].state_dict().values(), strict=True
    ):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5, msg=name)


def test_each_forward_pass_in_training_counts_once_with_or_without_a_backward_pass():
    model = Model()
    model(blobs(64))
    with torch.no_grad():
        model(blobs(64))
    with torch.inference_mode():
        model(blobs(64))
    model(blobs(64)).backward()
    assert model.nebula.diagnostics().steps == 4 and model.nebula.memory.seen == 256


def test_alternatives_change_nothing_in_the_midst_of_training():
    model = Model()
    train(model, 60)
    before = copy.deepcopy(model)
    model.nebula.alternatives(model.encoder(blobs(500) + 1000), 3)
    assert model.nebula.training
    assert_same(model, before)


# --- parameters that are not to be moved ----------------------------------------------------------


@pytest.mark.parametrize("warmup", [10, 50])
def test_frozen_anchors_stay_where_they_are_also_in_evaluation(warmup):
    model = Model(warmup_steps=warmup)
    train(model, 40)
    model.nebula.requires_grad_(False)
    before = [p.clone() for p in model.nebula.parameters()]
    train(model, 60, shift=5.0)
    model.eval()
    model.nebula(model.encoder(blobs(500) + 1000))
    for a, b in zip(model.nebula.parameters(), before, strict=True):
        assert torch.equal(a, b)
    assert model.nebula.diagnostics().steps == 100
    # Set free again they are fitted as ever.
    model.nebula.requires_grad_(True)
    train(model, 60, shift=5.0)
    assert model.nebula.diagnostics().used == 5


def test_only_what_is_frozen_is_kept():
    model = Model(warmup_steps=10)
    model.nebula.anchors.requires_grad_(False)
    before = copy.deepcopy(model.nebula)
    train(model, 30)
    assert torch.equal(model.nebula.anchors, before.anchors)
    assert not torch.equal(model.nebula.posterior.weight, before.posterior.weight)
    model.nebula.anchors.requires_grad_(True)
    model.nebula.posterior.requires_grad_(False)
    before = copy.deepcopy(model.nebula)
    train(model, 30)
    assert not torch.equal(model.nebula.anchors, before.anchors)
    assert torch.equal(model.nebula.posterior.weight, before.posterior.weight)


# --- dtypes, devices, sizes -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("gravity", ["newton", "nearest"])
def test_a_model_of_any_dtype_trains_and_counts_in_full(dtype, gravity):
    model = Model(gravity=gravity, metric_weight=1.0)
    train(model, 3)
    model.to(dtype)
    train(model, 60)
    state = model.nebula.diagnostics()
    assert state.steps == 63 and (gravity != "newton" or state.used == 5)
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    wide = torch.promote_types(dtype, torch.float32)
    assert model.nebula.moments.dtype == model.nebula.memory.rows.dtype == wide
    model.nebula.spread(), model.nebula.sample(0, 3)
    model.eval()
    code = model.nebula(model.encoder(blobs(500).to(dtype)))
    assert code.embedding.dtype == dtype and code.mean.dtype == wide
    model.float()
    train(model, 3)
    assert model.nebula.diagnostics().steps == 66


@pytest.fixture
def _float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_default_dtype_does_not_matter(dtype):
    model = Model().to(dtype)
    train(model, 40)
    assert model.nebula.diagnostics().steps == 40


def test_the_default_device_does_not_matter():
    models = Model(), Model()
    models[1].load_state_dict(models[0].state_dict())
    inputs = [blobs(64, step) for step in range(40)]
    for model, device in zip(models, ("cpu", "meta"), strict=True):
        torch.manual_seed(0)
        # Whatever were made on the default device would have no values here.
        with torch.device(device):
            for x in inputs:
                model(x).backward()
            model(torch.zeros_like(inputs[0])).backward()
            model.eval()
            model.nebula(model.encoder(inputs[0].repeat(8, 1) + 1000))
            model.nebula.sample(1, 3, torch.Generator("cpu").manual_seed(0))
            model.nebula.alternatives(torch.zeros_like(inputs[0]).repeat(1, 2), 3)
            model.nebula.diagnostics()
    assert_same(*models)


@pytest.mark.parametrize("size", [1e3, 1e6, 1e8, 1e12, 1e30, 3e38])
@pytest.mark.parametrize("sudden", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_of_any_size_are_used_or_refused_and_never_do_harm(size, sudden, dtype):
    nebula = Nebula(8, 5, warmup_steps=4).to(dtype)
    for step in range(30):
        features = blobs(64, step)
        if not sudden or step % 7 == 5:
            features = features / features.abs().max() * size
        nebula.zero_grad()
        before = {name: value.clone() for name, value in nebula.state_dict().items()}
        try:
            losses = nebula.losses(nebula(features.to(dtype)))
        except ValueError as error:
            assert "too large" in str(error)
            assert all(torch.equal(v, before[n]) for n, v in nebula.state_dict().items())
            assert size > 1e6
            continue
        losses.total.backward()
        assert bool(torch.stack(list(losses)).isfinite().all())
        assert all(bool(p.grad.isfinite().all()) for p in nebula.parameters())
        assert all(bool(value.isfinite().all()) for value in nebula.state_dict().values())
