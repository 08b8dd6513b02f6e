"""The one exchange by which the processes that train a head together decide on a training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .gather import Processes


@dataclass(frozen=True, eq=False)
class Meeting:
    """What the processes that take a training step together know of each other's batches."""

    processes: Processes
    counts: list[int]
    """Rows of each process's batch."""

    @property
    def total(self) -> int:
        """Rows of the joined batch."""
        return sum(self.counts)

    def rows(self, values: Tensor, most: int | None = None) -> Tensor:
        """The rows (B, ...) of the joined batch; of more than `most`, evenly spaced ones."""
        counts = self.counts
        if most is not None and self.total > most:
            keep = torch.arange(most, device="cpu") * self.total // most
            ends = torch.tensor(counts, device="cpu").cumsum(0)
            owner = torch.searchsorted(ends, keep, right=True)
            rank = self.processes.rank
            own = keep[owner == rank] - (int(ends[rank]) - counts[rank])
            values = values[own.to(values.device)]
            counts = torch.bincount(owner, minlength=len(counts)).tolist()
        return self.processes.rows(values.detach(), counts)


@dataclass(frozen=True)
class Answer:
    """What one process says of itself."""

    rows: int
    """of its batch"""
    refused: bool
    """whether its features have the wrong shape or dtype"""
    size: float
    """the largest number of its posteriors, or NaN"""
    state: list[float]
    """what must be the same in all, the step first"""


def ask(
    processes: Processes,
    rows: int,
    refused: bool,
    size: Tensor,
    state: Sequence[float],
    notes: Tensor,
) -> tuple[list[Answer], Tensor]:
    """Tell all processes of this one's batch; gives the answers of all, and their notes (P, N)."""
    said = torch.tensor([rows, refused, *state], dtype=torch.float64, device=notes.device)
    table = processes.table(torch.cat([said, notes, size.double()[None]]))  # (P, 3 + S + N)
    answers = [
        Answer(int(row[0]), bool(row[1]), row[-1], row[2 : 2 + len(state)])
        for row in table.tolist()
    ]
    return answers, table[:, -1 - len(notes) : -1]


def agreed(processes: Processes, answers: Sequence[Answer], limit: float) -> Meeting:
    """The meeting of processes that go on together.

    Raises ValueError where one is given features that are refused, or none of them any, and
    RuntimeError where their states differ.
    """
    for rank, answer in enumerate(answers):
        if answer.refused or not answer.size <= limit:
            raise ValueError(f"process {rank} was given features that a nebula refuses")
    if any(answer.state != answers[0].state for answer in answers):
        raise RuntimeError(
            "processes that train a nebula together must have the same state of it: they are "
            f"at steps {[int(answer.state[0]) for answer in answers]}; load a checkpoint on all"
        )
    meeting = Meeting(processes, [answer.rows for answer in answers])
    if meeting.total == 0:
        raise ValueError("features must have at least one row in one of the processes")
    return meeting
