"""The training loop, on a task small enough to see through: noisy points of a plane."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from nvc3d import checkpoint
from nvc3d.checkpoint import CheckpointError, Run, load_config, load_run, load_state
from nvc3d.config import TrainConfig, from_dict, to_dict
from nvc3d.tasks import TASKS, Batch, Measured, Splits, Task
from nvc3d.tasks.vocabulary import Vocabulary
from nvc3d.train import NonFiniteLoss, evaluation_batches, learning_rate, train


@dataclass(frozen=True)
class PlaneConfig:
    """A plane to fit."""

    data: str | None = None
    holdout: float = 0.1
    seed: int = 0
    samples: int = 37  # no multiple of the batch size
    bad_at: int = -1  # index of the sample that is NaN
    noise: float = 0.01  # of the model, while it trains


class Points(Dataset[dict[str, Tensor]]):
    """Another draw in every epoch, from the seed, the epoch and the index alone."""

    def __init__(self, config: PlaneConfig, count: int) -> None:
        self.config, self.count, self.epoch = config, count, 0
        self.seen: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        self.seen.append(index)
        seed = (index + 1000 * self.epoch + self.config.seed) % 2**32
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(3, generator=generator)
        y = x @ torch.tensor([1.0, -2.0, 3.0])
        return {"x": x * math.nan if index == self.config.bad_at else x, "y": y}


class Plane(nn.Module):
    """With noise, so that the random state matters, and a buffer, so that buffers do."""

    steps: Tensor

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise
        self.linear = nn.Linear(3, 1)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            x = x + self.noise * torch.randn_like(x)
        return self.linear(x).squeeze(-1)


def _loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    error = (model(batch["x"]) - batch["y"]).square().mean()
    return {"total": error, "root": error.detach().sqrt()}


def _metrics(model: nn.Module, batches: Iterable[Batch], categories: Sequence[str]) -> Measured:
    with torch.no_grad():
        values = [float(_loss(model, batch)["total"]) for batch in batches]
    return Measured({"plane": {"error": sum(values) / len(values)}})


def _data(config: PlaneConfig) -> Splits:
    return Splits(Points(config, config.samples), Points(config, 5), Vocabulary(("plane",)))


PLANE = Task(
    name="plane",
    config=PlaneConfig,
    data=_data,
    model=lambda config, splits: Plane(config.noise),
    loss=_loss,
    metrics=_metrics,
    pictures=lambda model, shown, folder: [],
)


@pytest.fixture(autouse=True)
def plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "plane", PLANE)


def run(steps: int = 40, config: PlaneConfig | None = None, **training: object) -> Run:
    options = {"steps": steps, "batch_size": 8, "learning_rate": 0.05, "save_every": 7}
    values = TrainConfig(**{**options, **training})  # type: ignore[arg-type]
    return Run(PLANE, config or PlaneConfig(), values)


def interrupt_at(step: int, number: int = signal.SIGINT, of: Run | None = None) -> Run:
    """A run that sends itself a signal during a step."""
    of = of or run()
    count = 0

    def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        nonlocal count
        if model.training:
            count += 1
            if count == step:
                os.kill(os.getpid(), number)
        return of.task.loss(model, batch)

    return replace(of, task=replace(of.task, loss=loss))


def contents(folder: Path) -> dict[str, Tensor]:
    return load_run(folder)[1].state_dict()


def test_it_learns_and_leaves_a_whole_run(tmp_path: Path) -> None:
    outcome = train(run(300), tmp_path, progress=False)
    assert outcome.finished and outcome.step == 300
    assert not outcome.model.training
    error = _metrics(outcome.model, evaluation_batches(outcome.splits.val, run().training), ())
    assert error.overall["plane"]["error"] < 0.05
    loaded, model = load_run(tmp_path)
    assert loaded == replace(run(300), vocabulary=Vocabulary(("plane",)), id=loaded.id)
    assert not model.training
    for name, value in outcome.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert list((tmp_path / "log").iterdir())
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_resumed_run_has_the_same_bits(tmp_path: Path, number: int) -> None:
    train(run(), tmp_path / "whole", progress=False)
    before = signal.getsignal(number)
    first = train(interrupt_at(17, number), tmp_path / "halves", progress=False)
    assert (first.finished, first.step) == (False, 17)
    assert signal.getsignal(number) is before
    torch.manual_seed(12345)  # a new process has another random state
    second = train(run(), tmp_path / "halves", resume=True, progress=False)
    assert (second.finished, second.step) == (True, 40)
    whole, halves = contents(tmp_path / "whole"), contents(tmp_path / "halves")
    assert int(whole["steps"]) == 40
    for name in whole:
        assert torch.equal(whole[name], halves[name]), name
    states = [load_state(tmp_path / n / "state.pt") for n in ("whole", "halves")]
    assert torch.equal(states[0]["random"][0]["torch"], states[1]["random"][0]["torch"])
    for key, moments in states[0]["optimizer"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, states[1]["optimizer"]["state"][key][name])


@pytest.mark.slow
def test_a_resumed_completion_has_the_same_bits(tmp_path: Path) -> None:
    """The nebula remembers more than weights, and wakes up on its way."""
    training = run(50, batch_size=4, save_every=1000).training
    task = TASKS["completion"]
    config = task.config(
        **dict(shapes=8, views=1, input_points=32, points=64, seeds=16, coarse=8),
        **dict(dim=16, latent_dim=4, anchors=2, hidden=8),
    )
    whole = Run(task, config, training)
    train(whole, tmp_path / "whole", progress=False)
    train(interrupt_at(31, of=whole), tmp_path / "halves", progress=False)
    train(whole, tmp_path / "halves", resume=True, progress=False)
    one, two = contents(tmp_path / "whole"), contents(tmp_path / "halves")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_workers_and_checkpoints_do_not_change_the_result(tmp_path: Path) -> None:
    train(run(12), tmp_path / "a", progress=False)
    train(run(12, workers=2, save_every=100), tmp_path / "b", progress=False)
    a, b = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_mixed_precision_learns_too(tmp_path: Path) -> None:
    for precision in ("bfloat16", "float32"):
        folder = tmp_path / precision
        outcome = train(run(300, precision=precision), folder, progress=False)
        assert outcome.model.linear.weight.dtype == torch.float32  # type: ignore[attr-defined]
        batches = evaluation_batches(outcome.splits.val, run().training)
        assert _metrics(outcome.model, batches, ()).overall["plane"]["error"] < 0.1


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    train(run(3), tmp_path / "a", progress=False)
    train(run(3, PlaneConfig(seed=1)), tmp_path / "b", progress=False)
    assert not torch.equal(
        contents(tmp_path / "a")["linear.weight"], contents(tmp_path / "b")["linear.weight"]
    )


def test_any_seed_will_do(tmp_path: Path) -> None:
    assert train(run(2, PlaneConfig(seed=2**70)), tmp_path, progress=False).step == 2


def test_an_epoch_has_every_sample_at_most_once(tmp_path: Path) -> None:
    outcome = train(run(8), tmp_path, progress=False)  # two epochs of 4 batches of 8 out of 37
    seen = outcome.splits.train.seen  # type: ignore[attr-defined]
    first, second = seen[:32], seen[32:64]
    assert len(set(first)) == len(set(second)) == 32
    assert first != second


def test_fewer_samples_than_a_batch_are_one_batch(tmp_path: Path) -> None:
    assert train(run(3, PlaneConfig(samples=5)), tmp_path, progress=False).step == 3


@pytest.mark.parametrize("bad_at", [0, 20])
def test_a_nan_ends_training_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, bad_at: int
) -> None:
    good = train(run(5), tmp_path, progress=False)
    before = contents(tmp_path)
    again = run(40, PlaneConfig(bad_at=bad_at), save_every=1000)
    with pytest.raises(NonFiniteLoss, match=r"diverged at step \d+ .*nan.*learning rate") as caught:
        train(again, tmp_path, resume=True, progress=False)
    assert f"the checkpoint of step {good.step} is kept" in str(caught.value)
    after = contents(tmp_path)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_time_ends_a_run_and_the_learning_rate_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(1000)
    monkeypatch.setattr("nvc3d.train.loop.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    outcome = train(run(10**6, max_minutes=1, save_every=10**6), tmp_path, progress=False)
    assert outcome.finished and outcome.step == 59  # a step each second, the first at second 1
    state = load_state(tmp_path / "state.pt")
    assert state["elapsed"] == 60
    assert 0 < state["optimizer"]["param_groups"][0]["lr"] < 0.01 * 0.05


def test_the_learning_rate_rises_and_falls() -> None:
    training = TrainConfig(steps=1000, learning_rate=2.0, warmup=0.1)
    rates = [learning_rate(i / 1000, training) for i in range(1001)]
    peak = rates.index(max(rates))
    assert peak == 100 and rates[peak] == pytest.approx(2.0)
    assert 0 < rates[0] < 0.05 and rates[-1] == pytest.approx(0)
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_a_run_is_not_written_over(tmp_path: Path) -> None:
    train(run(2), tmp_path, progress=False)
    before = contents(tmp_path)
    with pytest.raises(CheckpointError, match="holds a run already"):
        train(run(3), tmp_path, progress=False)
    assert all(torch.equal(before[n], v) for n, v in contents(tmp_path).items())
    assert train(run(3), tmp_path, overwrite=True, progress=False).step == 3


def test_a_failed_write_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run(2), tmp_path, progress=False)
    before = (tmp_path / "state.pt").read_bytes()

    def full(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        train(run(4), tmp_path, resume=True, progress=False)
    assert (tmp_path / "state.pt").read_bytes() == before
    assert not list(tmp_path.rglob("*.tmp"))


def test_faults_that_can_be_known_are_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "x", Path("/proc/x")):
        with pytest.raises(OSError, match="cannot write into the folder"):
            train(run(), folder, progress=False)
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train(run(), tmp_path / "none", resume=True, progress=False)
    assert not (tmp_path / "none").exists()
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="MB free"):
        train(run(), tmp_path / "full", progress=False)


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    train(run(2), tmp_path, progress=False)
    other = replace(PLANE, model=lambda config, splits: nn.Linear(7, 7))
    with pytest.raises(CheckpointError, match="does not fit this run"):
        train(Run(other, PlaneConfig(), run().training), tmp_path, resume=True, progress=False)
    assert load_config(tmp_path).config == run(2).config


def test_damage_is_found(tmp_path: Path) -> None:
    train(run(2), tmp_path, progress=False)
    for name in ("model.safetensors", "state.pt", "config.json"):
        path = tmp_path / name
        whole = path.read_bytes()
        read = {"state.pt": load_state}.get(name, load_run)
        for damaged in (b"", whole[: len(whole) // 2], b"\0" * 1000, b"{}", b"[1]", b"\xff\xfe"):
            path.write_bytes(damaged)
            with pytest.raises(CheckpointError):
                read(path)
        path.unlink()
        with pytest.raises(CheckpointError):
            read(path)
        path.write_bytes(whole)
        read(path)


def test_one_flipped_bit_of_a_weight_is_found(tmp_path: Path) -> None:
    outcome = train(run(2), tmp_path, progress=False)
    weight = outcome.model.linear.weight.detach().numpy().tobytes()  # type: ignore[attr-defined]
    for path, read in (
        (tmp_path / "model.safetensors", load_run),
        (tmp_path / "state.pt", load_state),
    ):
        data = bytearray(path.read_bytes())
        data[data.index(weight) + 5] ^= 1
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match="checksum"):
            read(path)


def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run(2), tmp_path, progress=False)
    with pytest.raises(CheckpointError, match="of task plane, not of completion"):
        load_run(tmp_path, task="completion")
    path = tmp_path / "config.json"
    values = json.loads(path.read_text())
    for change, message in (
        ({"format": 99}, "newer nvc3d"),
        ({"task": "origami"}, "unknown task 'origami'"),
        ({"data": {"samples": "many"}}, "config.samples must be int, got str 'many'"),
        ({"data": {"petals": 3}}, "config has no field 'petals'"),
        ({"model": None}, "it has no object 'model'"),
        ({"vocabulary": {"groups": [1]}}, "the vocabulary must have the fields"),
        ({"training": {"steps": -1}}, "steps must be at least 1, got -1"),
        ({"training": {"precision": "float8"}}, "training.precision must be one of float32"),
    ):
        path.write_text(json.dumps({**values, **change}))
        with pytest.raises(CheckpointError, match=message):
            load_run(tmp_path)
    path.write_text(json.dumps(values))
    monkeypatch.setattr(checkpoint, "FORMAT", 0)
    with pytest.raises(CheckpointError, match="newer nvc3d"):
        load_state(tmp_path / "state.pt")


def test_a_state_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"format": 1, "x": Evil()}, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(tmp_path / "state.pt")
    assert not (tmp_path / "owned").exists()


@dataclass(frozen=True)
class Inner:
    size: int = 3


@dataclass(frozen=True)
class Outer:
    path: Path | None = None
    pair: tuple[int, float] = (1, 2.0)
    names: tuple[str, ...] = ("a", "b")
    inner: Inner = Inner()
    flag: bool = True


def test_configs_survive_json() -> None:
    for config in (
        TrainConfig(steps=3, max_minutes=1.5, precision="bfloat16"),
        Outer(),
        Outer(Path("a/b"), (4, 5.5), (), Inner(9), False),
    ):
        assert from_dict(type(config), json.loads(json.dumps(to_dict(config)))) == config
    assert from_dict(TrainConfig, {"max_minutes": 2}).max_minutes == 2.0
    refused: tuple[dict[str, Any], ...] = (
        {"pair": [1]},
        {"pair": [True, 1.0]},
        {"names": "ab"},
        {"inner": {"size": 1.5}},
        {"inner": 3},
        {"flag": 1},
        {"path": 3},
        [],
        None,
    )
    for values in refused:
        with pytest.raises(ValueError, match="config"):
            from_dict(Outer, values)


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"learning_rate": math.nan},
        {"learning_rate": 0.0},
        {"clip": math.inf},
        {"warmup": 1.0},
        {"weight_decay": -1.0},
        {"max_minutes": 0.0},
        {"max_minutes": math.nan},
        {"workers": -1},
    ],
)
def test_training_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        TrainConfig(**values)  # type: ignore[arg-type]
