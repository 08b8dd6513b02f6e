"""Choices of a training: parts of batches, the mean of weights, an early end, NaN, what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_train import PLANE, PlaneConfig, Points, _loss, contents, interrupt_at, run
from torch import Tensor, nn

from nvc3d.checkpoint import Run, load_run, load_state
from nvc3d.config import TrainConfig
from nvc3d.tasks import TASKS, Batch, Splits
from nvc3d.tasks.vocabulary import Vocabulary
from nvc3d.train import train

QUIET = PlaneConfig(noise=0.0)


@pytest.fixture(autouse=True)
def plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "plane", PLANE)


def same(one: Path, other: Path) -> bool:
    a, b = contents(one), contents(other)
    return all(torch.equal(a[name], b[name]) for name in a)


def test_parts_of_a_batch_make_the_same_step(tmp_path: Path) -> None:
    train(run(12, QUIET), tmp_path / "whole", progress=False)
    train(run(12, QUIET, accumulate=3), tmp_path / "parts", progress=False)  # of 3, 3 and 2
    whole, parts = contents(tmp_path / "whole"), contents(tmp_path / "parts")
    assert torch.allclose(whole["linear.weight"], parts["linear.weight"], atol=1e-5)
    assert (int(whole["steps"]), int(parts["steps"])) == (12, 36)


def test_the_mean_of_the_weights_is_saved_and_resumed(tmp_path: Path) -> None:
    outcome = train(run(30, ema=0.5), tmp_path / "whole", progress=False)
    state = load_state(tmp_path / "whole" / "state.pt")
    last, mean = state["model"]["linear.weight"], contents(tmp_path / "whole")["linear.weight"]
    assert not torch.equal(last, mean)
    assert torch.equal(outcome.model.state_dict()["linear.weight"], mean)
    train(interrupt_at(11, of=run(30, ema=0.5)), tmp_path / "halves", progress=False)
    train(run(30, ema=0.5), tmp_path / "halves", resume=True, progress=False)
    assert same(tmp_path / "whole", tmp_path / "halves")


def test_the_mean_follows_its_definition(tmp_path: Path) -> None:
    weights: list[Tensor] = []

    def noted(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        if model.training:
            weights.append(model.linear.weight.detach().clone())  # type: ignore[union-attr]
        return _loss(model, batch)

    of = run(4, ema=0.3, save_every=100)
    train(replace(of, task=replace(PLANE, loss=noted)), tmp_path, progress=False)
    after = [*weights[1:], load_state(tmp_path / "state.pt")["model"]["linear.weight"]]
    mean = after[0]
    for count, weight in enumerate(after[1:], 1):
        mean = torch.lerp(mean, weight, 1 - min(0.3, (1 + count) / (10 + count)))
    assert torch.allclose(contents(tmp_path)["linear.weight"], mean)


def rising(best: int) -> Run:
    """A run whose validation is best at its checkpoint of that number."""
    validated = iter(abs(i - best) + 1.0 for i in range(1000))

    def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        found = _loss(model, batch)
        return found if model.training else {"total": torch.tensor(next(validated))}

    return replace(run(1000, patience=3, batch_size=8), task=replace(PLANE, loss=loss))


def test_an_early_end_has_the_best_weights(tmp_path: Path) -> None:
    outcome = train(rising(2), tmp_path, progress=False)
    assert outcome.finished and outcome.step == 7 * 6  # three checkpoints after the third
    best = load_run(tmp_path / "best.safetensors")[1].state_dict()
    assert all(torch.equal(best[name], value) for name, value in contents(tmp_path).items())
    assert int(best["steps"]) == 21
    assert int(load_state(tmp_path / "state.pt")["model"]["steps"]) == 42
    # It has ended: to go on with it ends at once.
    assert train(rising(2), tmp_path, resume=True, progress=False).step == 42


def test_the_newest_are_kept_and_stand_in_for_a_damaged_one(tmp_path: Path) -> None:
    train(run(40, keep=3), tmp_path / "whole", progress=False)
    kept = {path.name for path in (tmp_path / "whole").glob("state-*.pt")}
    assert kept == {"state-28.pt", "state-35.pt", "state-40.pt"}
    # Killed after a state was written, and before it was kept.
    (tmp_path / "whole" / "state-40.pt").unlink()
    train(run(40, keep=3), tmp_path / "whole", resume=True, progress=False)
    assert {path.name for path in (tmp_path / "whole").glob("state-*.pt")} == kept
    assert (tmp_path / "whole" / "best.safetensors").is_file()
    train(interrupt_at(17, of=run(40, keep=2)), tmp_path / "other", progress=False)
    for name in ("state.pt", "state-17.pt"):  # one file under two names, as a rule
        (tmp_path / "other" / name).write_bytes(b"PK")
    with pytest.warns(UserWarning, match=r"damaged.*goes on from state-14.pt"):
        train(run(40, keep=2), tmp_path / "other", resume=True, progress=False)
    assert same(tmp_path / "whole", tmp_path / "other")
    train(run(2), tmp_path / "whole", overwrite=True, progress=False)
    assert not list((tmp_path / "whole").glob("state-*.pt"))


class Named(Points):
    """Points with names, which a network sees as `points`."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        item = super().__getitem__(index)
        return item | {"points": item["x"][None], "name": f"{index}.ply"}  # type: ignore[dict-item]


def named(steps: int, **training: object) -> Run:
    config = PlaneConfig(bad_at=20)

    def data(config: PlaneConfig) -> Splits:
        return Splits(Named(config, 37), Points(QUIET, 5), Vocabulary(("plane",)))

    return replace(run(steps, config, **training), task=replace(PLANE, data=data))


def test_nan_in_a_batch_is_named_and_stops_the_run_or_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"batch of step \d+ holds NaN or inf in 20.ply: mend"):
        train(named(20), tmp_path / "stops", progress=False)
    with pytest.warns(UserWarning, match=r"in 20.ply: it is left out"):
        outcome = train(named(20, on_nan="skip"), tmp_path / "skips", progress=False)
    assert outcome.step == 20 and contents(tmp_path / "skips")["linear.weight"].isfinite().all()


def test_a_loss_that_is_nan_is_left_out_with_its_files(tmp_path: Path) -> None:
    def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        found = _loss(model, batch)
        spoilt = model.training and "3.ply" in batch.get("name", ())
        return {name: value * (torch.nan if spoilt else 1) for name, value in found.items()}

    def data(config: PlaneConfig) -> Splits:
        return Splits(Named(QUIET, 37), Points(QUIET, 5), Vocabulary(("plane",)))

    of = run(20, QUIET, on_nan="skip")
    of = replace(of, task=replace(PLANE, loss=loss, data=data))
    with pytest.warns(UserWarning, match=r"is left out.*of .*3\.ply"):
        assert train(of, tmp_path, progress=False).step == 20
    model = contents(tmp_path)
    assert model["linear.weight"].isfinite().all()
    assert int(model["steps"]) < 20  # what those steps had left in buffers is gone


@pytest.mark.parametrize("values", [{"accumulate": 0}, {"ema": 1.0}, {"keep": 0}, {"patience": -1}])
def test_choices_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        TrainConfig(**values)  # type: ignore[arg-type]
