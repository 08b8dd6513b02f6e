"""What a module of the nebula keeps between steps: buffers, and nothing beside them.

Whatever copies, averages, broadcasts, saves or loads a module's buffers then carries all of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# A number is kept with a hash of itself, so that a mean of several numbers can be told from one.
_HASH = 1 << 20


class AveragedState(RuntimeError):
    """What was counted or remembered was averaged with that of other steps, and means nothing."""

    def __init__(self) -> None:
        super().__init__(
            "the latents and steps that this nebula remembers were averaged over several steps; "
            "use AveragedModel with use_buffers=False, which copies them"
        )


class Wide(nn.Module):
    """A module whose buffers stay in float32 where its parameters go to half precision."""

    def _apply(self, fn: Any, recurse: bool = True) -> Wide:
        before = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, buffer in before.items():
            now = self._buffers[name]
            if buffer is not None and now is not None and narrow(now):
                self._buffers[name] = buffer.to(now.device, torch.float32)
        return self


def narrow(values: Tensor) -> bool:
    """Whether values are floats of less than 32 bits."""
    return values.is_floating_point() and values.element_size() < 4


class Counting(Wide):
    """A module with whole numbers, each declared as a `Count`, in one buffer.

    On an accelerator the numbers are read only where something else has written the buffer since:
    training steps, which write them, never wait for the device.
    """

    counts: Tensor  # int64

    def __init__(self, **numbers: int) -> None:
        super().__init__()
        self._names = list(numbers)
        encoded = [encode(number) for number in numbers.values()]
        self.register_buffer("counts", torch.tensor(encoded, dtype=torch.int64))
        self.forget()

    def forget(self) -> None:
        """Read the buffer itself the next time."""
        self._known: tuple[Tensor, int, list[int]] | None = None
        self._decoded: tuple[list[int], list[int]] = [], []

    def is_averaged(self) -> bool:
        """Whether the numbers are means of others, and not ones that were written."""
        try:
            self.numbers()
        except AveragedState:
            return True
        return False

    def numbers(self) -> list[int]:
        """All of them, in their order. Raises AveragedState where they are means of others."""
        codes = self._codes()
        if codes != self._decoded[0]:
            numbers = [code // _HASH for code in codes]
            if [encode(number) for number in numbers] != codes:
                raise AveragedState
            self._decoded = codes, numbers
        return self._decoded[1]

    def _codes(self) -> list[int]:
        counts, known = self.counts, self._known
        if counts.is_cpu or counts.is_inference():
            return list(counts.tolist())
        if known is None or known[0] is not counts or known[1] != counts._version:
            known = self._known = counts, counts._version, counts.tolist()
        return known[2]

    def _write(self, place: int, number: int) -> None:
        counts, known = self.counts, self._known
        trusted = known is not None and known[0] is counts and known[1] == counts._version
        counts[place].fill_(encode(number))
        if known is not None and trusted:
            codes = [*known[2]]
            codes[place] = encode(number)
            self._known = counts, counts._version, codes


class Count:
    """A whole number of a `Counting` module."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Counting, owner: type) -> int:
        return module.numbers()[module._names.index(self.name)]

    def __set__(self, module: Counting, number: int) -> None:
        module._write(module._names.index(self.name), number)


def encode(number: int) -> int:
    """A number with its hash."""
    return number * _HASH + (number * number * 40503 + 1) % 1048573


# Buffers by the names that they had.
_FORMER_NAMES = {"strength": "scale", "factor": "loss_scale"}


def upgrade(state: dict[str, Any], prefix: str) -> None:
    """Bring the entries of a head in a state dict up to date.

    Formerly the scale was called strength, and the loss scale factor. Before that what is counted
    was one tensor apart, each process kept its own latents, and a step with each.
    """
    for former, name in _FORMER_NAMES.items():
        if prefix + former in state:
            state[prefix + name] = state.pop(prefix + former)
    old = state.pop(f"{prefix}_extra_state", None)
    if not isinstance(old, Tensor) or old.numel() != 7:
        return
    seen, step, woke, next_check, next_fit, nats, quiet = old.tolist()
    numbers = [encode(int(n)) for n in (step, woke, next_check, next_fit, quiet, step)]
    state[f"{prefix}rhythm.counts"] = torch.tensor(numbers, device=old.device)
    state[f"{prefix}rhythm.nats"] = old.new_tensor(nats)
    state[f"{prefix}memory.counts"] = torch.tensor([encode(int(seen))], device=old.device)
    state.pop(f"{prefix}memory.step", None)
