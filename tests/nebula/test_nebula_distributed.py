"""Two processes with half a batch each are one process with all of it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from nvc3d.nebula import Nebula

PROCESSES = 2
STEPS = 24


def build() -> tuple[Nebula, nn.Linear]:
    torch.manual_seed(0)
    nebula = Nebula(6, 4, latent_dim=3, warmup_steps=8, scale=0.3, metric_weight=1.0)
    decoder = nn.Linear(nebula.embedding_dim, 6)
    with torch.no_grad():
        # The noise is each process's own; with next to none of it the runs can be compared.
        nebula.posterior.bias[3:] = -1000
        nebula.posterior.weight[3:] = 0
    return nebula, decoder


def run(rank: int, processes: int) -> dict[str, Tensor]:
    """Losses and gradients of the last step, and the state, after some steps of descent."""
    nebula, decoder = build()
    parameters = [*nebula.parameters(), *decoder.parameters()]
    generator = torch.Generator().manual_seed(5)
    for _ in range(STEPS):
        features = 3 * torch.randn(32, 6, generator=generator)
        features = features.chunk(processes)[rank]
        code = nebula(features)
        # The mean alone, so that the task is the same whatever the noise.
        handed_on = torch.cat([code.mean, code.embedding[:, 3:]], 1)
        task = (decoder(handed_on) - features).square().mean()
        losses = nebula.losses(code)
        gradients = torch.autograd.grad(task + losses.total, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if processes > 1:
                dist.all_reduce(gradient)
            parameter.data -= 1e-2 * gradient / processes
            parameter.grad = gradient / processes
    found = {f"loss {name}": term.detach() for name, term in losses._asdict().items()}
    found |= {f"grad {name}": p.grad for name, p in nebula.named_parameters()}
    found |= {"anchors": nebula.anchors.detach(), "latents": nebula.memory.all_latents()}
    return found


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=PROCESSES
    )
    torch.save(run(rank, PROCESSES), f"{folder}/{rank}.pt")
    dist.destroy_process_group()
    # Whoever still held the group would keep its threads alive into the end of the interpreter.
    threads = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    assert not [name for name in threads if "gloo" in name]


@pytest.mark.skipif(not dist.is_available(), reason="this torch has no distributed package")
def test_two_processes_are_one(tmp_path: Path) -> None:
    mp.spawn(worker, (str(tmp_path),), nprocs=PROCESSES)
    expected = run(0, 1)
    for rank in range(PROCESSES):
        found = torch.load(tmp_path / f"{rank}.pt")
        for name, value in expected.items():
            torch.testing.assert_close(
                found[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
            )
