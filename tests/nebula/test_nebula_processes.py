"""Several processes that train one nebula, whatever each of them is given."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.algorithms.join import Join
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from nvc3d.nebula import Code, GaussianHead, Nebula

pytestmark = pytest.mark.slow
PROCESSES = 2
PATIENCE = 240  # seconds, before a process that waits for another in vain is a failure


class Model(nn.Module):
    """Gives the loss that does not depend on who holds which row: the nebula's own."""

    def __init__(self, anchored: bool = True, scale: float | None = 0.3, **settings: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        if anchored:
            settings = {"warmup_steps": 5} | settings
            self.nebula: Any = Nebula(6, 4, latent_dim=3, scale=scale, **settings)
        else:
            self.nebula = GaussianHead(6, latent_dim=3, scale=scale)
        self.decoder = nn.Linear(self.nebula.embedding_dim, 6)
        with torch.no_grad():
            # The noise is each process's own; with next to none of it the runs can be compared.
            self.nebula.posterior.bias[3:] = -1000
            self.nebula.posterior.weight[3:] = 0

    def forward(self, x: Tensor, views: bool = False, repeat: bool = False) -> Tensor:
        call: Callable[[Tensor], Code] = self.nebula
        if repeat:
            x = x.clone().requires_grad_()

            def call(x: Tensor) -> Code:
                return Code(*checkpoint(lambda y: tuple(self.nebula(y)), x, use_reentrant=False))

        code = call(x)
        other = call(x + 0.1) if views else None
        return self.nebula.losses(code, other).total + 0 * self.decoder(code.embedding).sum()


def batches(steps: int, rows: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(5)
    for _ in range(steps):
        yield 3 * torch.randn(rows, 6, generator=generator)


def train(model: nn.Module, rank: int, split: list[int], steps: int = 18, **how: Any) -> None:
    optimiser = torch.optim.SGD(model.parameters(), 1e-2)
    for step, x in enumerate(batches(steps, sum(split))):
        # Rows change hands from step to step.
        shares = x.split(split if step % 3 else split[::-1])
        optimiser.zero_grad()
        model(shares[rank], **how).backward()
        optimiser.step()


def state(model: Model) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.nebula.state_dict().items()}


def one_process(split: list[int], **settings: Any) -> dict[str, Tensor]:
    how = {name: settings.pop(name) for name in ("views", "repeat", "steps") if name in settings}
    settings.pop("compiled", None)
    model = Model(**settings)
    train(model, 0, [sum(split)], **how)
    return state(model)


SPLITS = {
    "even": ([20, 20], {}),
    "uneven": ([32, 7], {}),
    "a row": ([39, 1], {}),
    "no row": ([39, 0], {}),
    "more than is remembered": ([5000, 1700], {"steps": 7}),
    "metric and views": ([32, 7], {"metric_weight": 1.0, "views": True}),
    "metric and no row": ([39, 0], {"metric_weight": 1.0, "views": True}),
    "checkpointing": ([32, 7], {"repeat": True}),
    "paper": ([32, 7], {"gravity": "paper", "weight": 1e-8}),
    "nearest": ([32, 0], {"gravity": "nearest"}),
    "no anchors": ([32, 7], {"anchored": False}),
    "no anchors and no row": ([39, 0], {"anchored": False, "repeat": True}),
    "compiled": ([20, 20], {"compiled": True, "steps": 12}),
}

# Whether DistributedDataParallel overwrites all buffers with those of the first process.
BROADCAST = {
    name: [True, False] if name in ("even", "uneven", "no row") else [True] for name in SPLITS
}


def several_processes(rank: int, split: list[int], broadcast: bool, **settings: Any) -> Any:
    how = {name: settings.pop(name) for name in ("views", "repeat", "steps") if name in settings}
    compiled = settings.pop("compiled", False)
    core = Model(**settings)
    inside = torch.compile(core, backend="aot_eager") if compiled else core
    model = DistributedDataParallel(inside, broadcast_buffers=broadcast)
    train(model, rank, split, **how)
    return state(core)


def raised(call: Callable[..., Any], *arguments: Any) -> str:
    try:
        call(*arguments)
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def refusals(rank: int) -> dict[str, Any]:
    model = DistributedDataParallel(Model(metric_weight=1.0), broadcast_buffers=False)
    core = model.module
    before = state(core)
    good, found = torch.randn(8, 6), {}
    for name, bad in {
        "shape": torch.zeros(8, 5),
        "type": torch.zeros(8, 6, dtype=torch.int64),
        "nan": torch.full((8, 6), torch.nan),
        "huge": torch.full((8, 6), 1e30),
    }.items():
        found[name] = raised(core.nebula, bad if rank else good)
    found["empty"] = raised(core.nebula, good[:0])
    found["changed"] = [n for n, v in state(core).items() if not torch.equal(v, before[n])]
    train(model, rank, [8, 8], 4)
    if rank:
        core.nebula.load_state_dict(before)
    found["state"] = raised(core.nebula, good)
    return found


def alone(rank: int) -> list[bool]:
    """What the first process does by itself; the others would otherwise have to wait with it."""
    core = Model(metric_weight=1.0)
    model = DistributedDataParallel(core)
    train(model, rank, [16, 16], 8)
    if rank == 0:
        core.eval()
        code = core.nebula(torch.randn(200, 6))
        finite = [bool(term.isfinite()) for term in core.nebula.losses(code, code)]
        core.nebula.diagnostics(), core.nebula.sample(0, 3), core.nebula.spread()
        core.nebula.alternatives(torch.randn(2, 6), 3)
        core.train()
        single = Model()
        single.nebula.process_group = dist.new_group([0], use_local_synchronization=True)
        train(single, 0, [16], 8)
        return [*finite, core.nebula.memory.seen == 8 * 32, single.nebula.memory.seen == 8 * 16]
    return []


def joining(rank: int) -> str:
    model = DistributedDataParallel(Model())

    def loop() -> None:
        with Join([model]):
            for x in batches(2 + rank, 8):
                model(x).backward()

    return raised(loop)


def measuring(rank: int, processes: int) -> tuple[dict[str, Tensor], list[int]]:
    """The task's own gradient, of a mean over the rows, measured while gradients accumulate."""
    core = Model(scale=None)
    model: nn.Module = Measured(core)
    if processes > 1:
        model = DistributedDataParallel(model)
    optimiser = torch.optim.SGD(model.parameters(), 1e-2)
    for step, x in enumerate(batches(40, 32)):
        share = x.chunk(processes)[rank]
        if step % 4 < 3 and processes > 1:
            with model.no_sync():
                model(share).backward()
        else:
            model(share).backward()
        if step % 4 == 3:
            optimiser.step()
            optimiser.zero_grad()
    return state(core), [core.nebula.memory.seen]


class Measured(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        code = self.model.nebula(x)
        task = (self.model.decoder(code.embedding) - x).square().mean()
        return task + self.model.nebula.losses(code).total


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=PROCESSES
    )
    found: dict[str, Any] = {}
    for name, (split, settings) in SPLITS.items():
        for broadcast in BROADCAST[name]:
            found[f"{name} {broadcast}"] = several_processes(rank, split, broadcast, **settings)
    found["refusals"] = refusals(rank)
    found["alone"] = alone(rank)
    found["measuring"] = measuring(rank, PROCESSES)
    found["joining"] = joining(rank)
    torch.save(found, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    if not dist.is_available():
        pytest.skip("this torch has no distributed package")
    folder = tmp_path_factory.mktemp("processes")
    context = mp.spawn(worker, (str(folder),), nprocs=PROCESSES, join=False)
    end = time.monotonic() + PATIENCE
    while not context.join(timeout=1):
        if time.monotonic() > end:
            for process in context.processes:
                process.kill()
            pytest.fail("the processes wait for one another")
    return [torch.load(folder / f"{rank}.pt") for rank in range(PROCESSES)]


@pytest.mark.parametrize(
    ("name", "broadcast"), [(name, each) for name in SPLITS for each in BROADCAST[name]]
)
def test_shares_of_any_size_are_one_process_with_the_joined_batch(found, name, broadcast):
    split, settings = SPLITS[name]
    expected = one_process(split, **dict(settings))
    first, second = (each[f"{name} {broadcast}"] for each in found)
    # This one is of the draws, which differ by a 150th.
    tolerance = 5e-2 if name == "nearest" else 1e-4
    for key, value in expected.items():
        if key in ("loss_scale", "rhythm.counts"):
            continue
        torch.testing.assert_close(
            first[key], value, rtol=1e-3, atol=tolerance, msg=lambda m, k=key: f"{k}: {m}"
        )
        assert torch.equal(first[key], second[key]), key


@pytest.mark.parametrize(
    ("bad", "message"),
    [("shape", "must be"), ("type", "float dtype"), ("nan", "finite"), ("huge", "too large")],
)
def test_what_one_process_refuses_all_refuse(found, bad, message):
    assert "process 1 was given features that a nebula refuses" in found[0]["refusals"][bad]
    assert message in found[1]["refusals"][bad]


def test_refused_batches_leave_no_trace_and_no_process_behind(found):
    for each in found:
        assert "at least one row" in each["refusals"]["empty"]
        assert each["refusals"]["changed"] == []


def test_processes_with_different_states_are_told_so(found):
    for each in found:
        assert "at steps [3, -1]; load a checkpoint on all" in each["refusals"]["state"]


def test_evaluation_and_a_group_of_its_own_wait_for_nobody(found):
    assert len(found[0]["alone"]) == 7 and all(found[0]["alone"])


def test_the_task_is_measured_on_the_joined_batch(found):
    expected, seen = measuring(0, 1)
    for each in found:
        got, rows = each["measuring"]
        assert rows == seen
        # The curvature is noise here, and so is what is made of it.
        torch.testing.assert_close(got["moments"][0], expected["moments"][0], rtol=0.1, atol=0)
        assert torch.equal(got["moments"], found[0]["measuring"][0]["moments"])
        assert torch.equal(got["anchors"], found[0]["measuring"][0]["anchors"])


def test_join_is_refused_and_hangs_nobody(found):
    for each in found:
        assert "Join" in each["joining"] and "batches of 0 rows" in each["joining"]
