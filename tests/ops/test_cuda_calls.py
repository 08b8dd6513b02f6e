"""What a CUDA operator does around its kernels: checks, memory, devices, graphs. Emulated."""

from __future__ import annotations

import ctypes
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from cuda_emulation.build import build
from torch import Tensor

from nvc3d import ops  # noqa: F401  the operators of the CPU

CPU = torch.ops.nvc3d
Operators = torch._ops._OpNamespace


@pytest.fixture(scope="module")
def library() -> Path:
    if sys.platform != "linux" or shutil.which("c++") is None:
        pytest.skip("the emulation of CUDA needs Linux and a C++20 compiler")
    return build()


@pytest.fixture(scope="module")
def cuda(library: Path) -> Operators:
    torch.ops.load_library(str(library))
    return torch.ops.nvc3d_emulation


def cloud(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


X, Y = cloud(3, 9, 3), cloud(3, 7, 3, seed=1)
START = torch.zeros(3, dtype=torch.int64)
# Each operator with the lengths of its first cloud, then of its second.
WITH_LENGTHS: dict[str, Callable[[Operators, Tensor | None, Tensor | None], object]] = {
    "nearest": lambda o, a, b: o.nearest(X, Y, a, b, 2, True),
    "nearest_both": lambda o, a, b: o.nearest_both(X, Y, a, b, 2, True),
    "knn": lambda o, a, b: o.knn(X, Y, 4, a, b, 2, True),
    "ball_query": lambda o, a, b: o.ball_query(X, Y, 4, 1.0, a, b, True),
    "farthest_point_sampling": lambda o, a, _: o.farthest_point_sampling(X, 4, a, START, True),
}


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as error:
        call()
    return str(error.value)


# Below what is allowed, above it, and far above. Four points at least are needed for k = 4.
BAD = [
    *((name, 0, bad) for name in WITH_LENGTHS for bad in (0, -3, 10, 2**40)),
    *((name, 1, bad) for name in list(WITH_LENGTHS)[:-1] for bad in (0, -3, 8, 2**40)),
    ("knn", 1, 3),
    ("farthest_point_sampling", 0, 3),
]


@pytest.mark.parametrize(("name", "side", "bad"), BAD)
def test_lengths_are_refused_in_the_words_of_the_cpu(
    cuda: Operators, name: str, side: int, bad: int
) -> None:
    # A view with a stride, whose second bad length is not the one to be named.
    lengths = torch.tensor([[5, 0], [bad, 0], [bad, 0]])[:, 0]
    pair = (lengths, None) if side == 0 else (None, lengths)
    words = [refusal(lambda o=o: WITH_LENGTHS[name](o, *pair)) for o in (cuda, CPU)]
    assert words[0] == words[1] and f"{bad} " in words[0] and "at position 1" in words[0]


@pytest.fixture
def filled() -> Iterator[None]:
    """New memory is full of NaN and the largest integers."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [3, 5])
def test_unchecked_lengths_of_nothing_leave_no_result_unwritten(
    cuda: Operators, filled: None, dim: int, dtype: torch.dtype
) -> None:
    x, y = cloud(2, 9, dim, dtype=dtype), cloud(2, 7, dim, seed=1, dtype=dtype)
    none, all_of_x = torch.zeros(2).long(), torch.tensor([9, 9])
    for lengths in ((None, none), (all_of_x, none), (none, None), (none, none)):
        for index in cuda.nearest_both(x, y, *lengths, 2, False)[1::2]:
            assert ((index >= 0) & (index < 9)).all(), lengths
        for result in cuda.nearest(x, y, *lengths, 2, False):
            assert ((result >= 0) & (result < 9)).all(), lengths
        index = cuda.knn(x, y, 2, *lengths, 2, False)[1]
        assert ((index >= 0) & (index < 9)).all(), lengths


def test_calls_in_a_graph_wait_for_nothing_and_say_that_they_cannot_check(
    cuda: Operators, library: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def calls(check: bool) -> list[Tensor]:
        return [
            cuda.nearest(X, Y, START + 9, None, 2, check)[1],
            cuda.nearest_both(X, Y, None, START + 7, 2, check)[3],
            cuda.knn(X, Y, 3, None, None, 2, check)[1],
            cuda.ball_query(X, Y, 3, 0.2, None, None, check)[1],
            cuda.farthest_point_sampling(X, 4, START + 9, START, check),
            cuda.assign_anchors(X[0], Y[0], check)[1],
        ]

    expected = calls(True)
    emulation = ctypes.CDLL(str(library))
    emulation.emulate_capture(True)  # from here on, waiting for the stream ends the process
    try:
        unchecked = calls(False)
        silent = capfd.readouterr().err
        captured = [calls(True), calls(True)]
    finally:
        emulation.emulate_capture(False)
    for found in (unchecked, *captured):
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    said = capfd.readouterr().err
    assert silent == "" and said.count("Warning") == 1
    assert "nearest cannot refuse NaN" in said and "check_finite=False" in said
    assert refusal(lambda: cuda.nearest(X, Y * torch.inf, None, None, 2, True))


def test_the_device_that_was_current_comes_back_whatever_fails(
    cuda: Operators, library: Path
) -> None:
    emulation = ctypes.CDLL(str(library))
    emulation.emulate_lost_stream()
    with pytest.raises(RuntimeError):
        cuda.nearest(X, Y, None, None, 2, True)
    assert emulation.devices_held() == 0
    emulation.emulate_failure(700)
    with pytest.raises(RuntimeError, match="nearest did not run"):
        cuda.nearest(X, Y, None, None, 2, True)
    assert emulation.devices_held() == 0


def test_memory_that_is_not_there_is_told_in_torchs_words(cuda: Operators) -> None:
    with pytest.raises(RuntimeError) as error:
        cuda.ball_query(X, Y, 2**44, 1.0, None, None, False)
    told = torch.__version__ >= "2.13"
    assert ("can't allocate memory" if told else "CUDA out of memory.") in str(error.value)
