"""The CUDA operators give the CPU's answers.

The very sources in csrc/cuda run on the CPU, thread by thread, through tests/cuda_emulation, whose
header says what that shows and what it cannot. Where there is a GPU, the compiled kernels see the
same cases, and sizes where each way of computing is taken.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nvc3d import ops

CPU = torch.ops.nvc3d


def cloud(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def clouds(kind: str, batch: int, n: int, dim: int, seed: int, dtype: torch.dtype) -> Tensor:
    points = cloud(batch, n, dim, seed=seed, dtype=dtype)
    if kind == "grid":  # full of ties
        return points.mul(4).floor()
    if kind == "one place":
        return torch.zeros_like(points)
    if kind == "clusters":
        return points * 1e-6 + torch.arange(n)[:, None] % 3
    if kind == "outlier":
        points[:, n // 2] = 1e30
    if kind == "huge":  # distances overflow
        return (points - 0.5) * torch.finfo(dtype).max
    return points


def same(
    mine: tuple[Tensor, ...] | Tensor, other: tuple[Tensor, ...] | Tensor, where: object = None
) -> None:
    mine, other = ((v,) if isinstance(v, Tensor) else v for v in (mine, other))
    for one, two in zip(mine, other, strict=True):
        assert torch.equal(one, two), where


def some_lengths(batch: int, size: int, least: int = 1) -> Tensor:
    return torch.randint(least, size + 1, (batch,), generator=torch.Generator().manual_seed(size))


DTYPES = [torch.float32, torch.float64]
# n and m, where brute force is enough and where trees are built
SIZES = [(1, 1), (70, 130), (1030, 33), (300, 290)]


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("dim", [1, 3, 5, 20])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nearest(cuda: torch._ops._OpNamespace, dtype: torch.dtype, dim: int, norm: int) -> None:
    for n, m in SIZES:
        x, y = (cloud(2, size, dim, seed=size, dtype=dtype) for size in (n, m))
        for lengths in ((None, None), (some_lengths(2, n), some_lengths(2, m))):
            arguments = (x, y, *lengths, norm, True)
            same(cuda.nearest(*arguments), CPU.nearest(*arguments), (n, m, lengths))
            same(cuda.nearest_both(*arguments), CPU.nearest_both(*arguments), (n, m, lengths))


def test_many_small_clouds(cuda: torch._ops._OpNamespace) -> None:
    # So many that a block looks at several stretches of y.
    arguments = (cloud(40, 3, 3), cloud(40, 400, 3, seed=1), None, None, 2, True)
    same(cuda.nearest_both(*arguments), CPU.nearest_both(*arguments))


@pytest.mark.parametrize("kind", ["grid", "one place", "clusters", "outlier", "huge"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_difficult_clouds(cuda: torch._ops._OpNamespace, dtype: torch.dtype, kind: str) -> None:
    for n, m in ((130, 70), (400, 700)):
        x, y = clouds(kind, 1, n, 3, 1, dtype), clouds(kind, 1, m, 3, 2, dtype)
        same(
            cuda.nearest_both(x, y, None, None, 2, True),
            CPU.nearest_both(x, y, None, None, 2, True),
        )
        same(cuda.knn(x, y, 7, None, None, 2, True), CPU.knn(x, y, 7, None, None, 2, True))
        start = torch.tensor([m - 1])
        same(
            cuda.farthest_point_sampling(y, 70, None, start, True),
            CPU.farthest_point_sampling(y, 70, None, start, True),
        )


@pytest.mark.parametrize("k", [1, 5, 32, 33])
@pytest.mark.parametrize("dtype", DTYPES)
def test_knn_and_its_gradient(cuda: torch._ops._OpNamespace, dtype: torch.dtype, k: int) -> None:
    for n, m, dim in ((70, 130, 3), (9, 40, 17), (150, 290, 3), (290, 290, 2)):
        x, y = (cloud(2, size, dim, seed=size, dtype=dtype) for size in (n, m))
        for lengths in ((None, None), (some_lengths(2, n), some_lengths(2, m, k))):
            if n == m:
                y, lengths = x, (lengths[1], lengths[1])
            arguments = (x, y, k, *lengths, 2, True)
            expected = CPU.knn(*arguments)
            same(cuda.knn(*arguments), expected, (n, m, dim, lengths))
            grad = cloud(2, n, k, seed=k, dtype=dtype)
            for norm in (1, 2):
                pulls = (grad, x, y, expected[1], lengths[0], norm)
                same(cuda.distance_backward(*pulls), CPU.distance_backward(*pulls))


def test_gradient_of_few_targets_is_cut_into_parts(cuda: torch._ops._OpNamespace) -> None:
    x, y = cloud(1, 2000, 5, dtype=torch.float64), cloud(1, 2, 5, seed=1, dtype=torch.float64)
    index = torch.arange(2000)[None, :, None] % 2
    grad = cloud(1, 2000, 1, seed=2, dtype=torch.float64)
    mine = cuda.distance_backward(grad, x, y, index, None, 2)
    torch.testing.assert_close(mine, CPU.distance_backward(grad, x, y, index, None, 2))


def test_index_out_of_range_gives_nan(cuda: torch._ops._OpNamespace) -> None:
    x, index = cloud(1, 3, 3), torch.tensor([[[0], [7], [-1]]])
    grad_x, grad_y = cuda.distance_backward(torch.ones(1, 3, 1), x, x, index, None, 2)
    assert grad_x.isnan().all(2).tolist() == [[False, True, True]] and grad_y.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_farthest_point_sampling(cuda: torch._ops._OpNamespace, dtype: torch.dtype) -> None:
    for n, dim, k in ((1, 3, 1), (500, 3, 100), (600, 2, 50), (2100, 3, 80), (90, 6, 40)):
        points, start = cloud(2, n, dim, seed=n, dtype=dtype), torch.tensor([0, n // 3])
        for lengths in (None, torch.tensor([n, max(k, n - 40)])):
            arguments = (points, k, lengths, start, True)
            same(
                cuda.farthest_point_sampling(*arguments),
                CPU.farthest_point_sampling(*arguments),
                (n, dim, lengths),
            )


@pytest.mark.parametrize("dtype", DTYPES)
def test_ball_query(cuda: torch._ops._OpNamespace, dtype: torch.dtype) -> None:
    x, y = cloud(2, 40, 3, seed=1, dtype=dtype), cloud(2, 70, 3, seed=2, dtype=dtype)
    for lengths in ((None, None), (some_lengths(2, 40), some_lengths(2, 70))):
        for k, squared_radius in ((4, 0.0), (4, 0.05), (40, 0.3), (80, 100.0)):
            arguments = (x, y, k, squared_radius, *lengths, True)
            same(cuda.ball_query(*arguments), CPU.ball_query(*arguments))


@pytest.mark.parametrize("offset", [0.0, 100.0, 1000.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_assign_anchors(cuda: torch._ops._OpNamespace, dtype: torch.dtype, offset: float) -> None:
    for n, dim, m in ((1, 1, 1), (130, 7, 10), (200, 33, 65), (40, 100, 130)):
        latents, anchors = (cloud(size, dim, seed=size, dtype=dtype) + offset for size in (n, m))
        anchors[m // 2] = anchors[0]  # a tie
        arguments = (latents, anchors, True)
        same(cuda.assign_anchors(*arguments), CPU.assign_anchors(*arguments), (n, dim, m))


def tensor_core_sum(library: Path, total: float, a: list[float], b: list[float]) -> float:
    function = ctypes.CDLL(str(library)).emulate_tensor_core
    function.restype, array = ctypes.c_float, ctypes.c_float * 8
    return float(function(ctypes.c_float(total), array(*a), array(*b)))


@pytest.fixture(params=["Ampere", "Hopper"])
def generation(library: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Whose tensor cores are emulated."""
    switch = ctypes.CDLL(str(library)).emulate_hopper
    switch(request.param == "Hopper")
    yield request.param
    switch(False)


def test_tensor_cores_cut_what_lies_below_their_last_bit(library: Path, generation: str) -> None:
    # Four steps of 2^-24 fit below 1 on all; of 2^-25, only Hopper keeps any: eight are 2^-22.
    one = [1.0] * 8
    assert tensor_core_sum(library, 1, one, [2**-24] * 8) == 1 + 2**-21
    kept = 2**-22 if generation == "Hopper" else 0
    assert tensor_core_sum(library, 1, one, [2**-25] * 8) == 1 + kept
    # The result is rounded towards zero, on either side of it, and large terms cancel exactly.
    assert tensor_core_sum(library, 1, one, [3 * 2**-25] + [0] * 7) == 1
    assert tensor_core_sum(library, -1, one, [-3 * 2**-25] + [0] * 7) == -1
    assert tensor_core_sum(library, 0, one, [2.0**20, -(2.0**20), 0.5] + [0] * 5) == 0.5


# dim: less than a slice, several, and rows that are and are not read by 16 bytes
@pytest.mark.parametrize("dim", [3, 40, 150])
def test_anchors_whatever_tensor_cores_cut(
    cuda: torch._ops._OpNamespace, generation: str, dim: int
) -> None:
    """Sums of one sign lose the most; most of these anchors are a few ulps apart."""
    base = 1 + cloud(12, dim, seed=1)
    anchors = torch.cat([base + (cloud(12, dim, seed=e) - 0.5) * 2.0**-e for e in range(8, 24, 3)])
    latents = torch.cat([1 + cloud(60, dim), (anchors[:40] + anchors[20:60]) / 2])
    same(cuda.assign_anchors(latents, anchors, True), CPU.assign_anchors(latents, anchors, True))


def test_anchors_that_coincide_and_latents_amid_many(cuda: torch._ops._OpNamespace) -> None:
    latents, anchors = cloud(150, 20) - 0.5, cloud(80, 20, seed=1) - 0.5
    pairs = anchors.clone()
    pairs[1::2] = pairs[::2]
    cases = {
        "pairs": (latents, pairs),
        "near pairs": (latents, pairs * (1 + 1e-7 * cloud(80, 20, seed=2))),
        "three places": (latents, anchors[:3].repeat(27, 1)),
        "three places, nearly": (latents, anchors[:3].repeat(27, 1) * (1 + 1e-7 * cloud(81, 20))),
        "one place": (latents, anchors[:1].repeat(80, 1)),
        "zeros of both signs": (latents, torch.tensor([[-0.0], [0.0], [1.0]]).expand(3, 20)),
        "all at one distance": (torch.zeros_like(latents), anchors.sign()),
        "many at one distance": (latents.sign(), anchors.sign()),
        "not at a multiple of 16 bytes": (latents.flatten()[1:1001].view(50, 20), anchors),
    }
    for name, arguments in cases.items():
        same(cuda.assign_anchors(*arguments, True), CPU.assign_anchors(*arguments, True), name)


def test_anchors_too_close_for_the_scores(cuda: torch._ops._OpNamespace) -> None:
    groups = torch.tensor([[1.0], [-1.0]]).repeat(10, 40)
    anchors = groups + cloud(20, 40) * 1e-6
    latents = cloud(200, 40, seed=1) + groups[:1]
    same(cuda.assign_anchors(latents, anchors, True), CPU.assign_anchors(latents, anchors, True))


NAN = cloud(2, 9, 3)
NAN[1, 4, 2], NAN[1, 5, 0] = float("-inf"), float("nan")
REFUSED: dict[str, Callable[[torch._ops._OpNamespace], object]] = {
    "values of x": lambda o: o.nearest(NAN, NAN[:1].expand(2, 9, 3), None, None, 2, True),
    "values of y": lambda o: o.knn(NAN[:1], NAN[1:], 2, None, None, 2, True),
    "values of latents": lambda o: o.assign_anchors(NAN[1], NAN[0], True),
    "start": lambda o: o.farthest_point_sampling(
        NAN, 2, torch.tensor([9, 4]), torch.tensor([8, 4]), True
    ),
    "values of points": lambda o: o.farthest_point_sampling(
        NAN, 2, torch.tensor([9, 5]), torch.tensor([8, 4]), True
    ),
    "lengths of x": lambda o: o.nearest(NAN, NAN, torch.tensor([9, 0]), None, 2, True),
    "lengths of y": lambda o: o.ball_query(NAN, NAN, 3, 1.0, None, torch.tensor([10, 4]), True),
    "k above a length": lambda o: o.knn(NAN, NAN, 4, None, torch.tensor([9, 3]), 2, True),
    "k": lambda o: o.knn(NAN, NAN, 10, None, None, 2, True),
    "shapes": lambda o: o.ball_query(NAN, NAN[..., :2], 3, 1.0, None, None, True),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_in_the_same_words(cuda: torch._ops._OpNamespace, case: str) -> None:
    words = []
    for operators in (cuda, CPU):
        with pytest.raises(ValueError) as error:
            REFUSED[case](operators)
        words.append(str(error.value))
    assert words[0] == words[1]


@pytest.mark.parametrize("size", [40, 700])
@pytest.mark.parametrize("dtype", DTYPES)
def test_unchecked_nan_is_harmless(
    cuda: torch._ops._OpNamespace, dtype: torch.dtype, size: int
) -> None:
    x = cloud(1, size, 3, dtype=dtype)
    x[0, ::3, 1], x[0, 1::7] = float("nan"), float("inf")
    for points in (x, torch.full_like(x, float("nan"))):
        _, to_y, _, to_x = cuda.nearest_both(points, x, None, None, 2, False)
        neighbours = cuda.knn(points, x, 5, None, None, 2, False)[1]
        start = torch.tensor([0])
        picks = cuda.farthest_point_sampling(points, 20, None, start, False)
        anchors = cuda.assign_anchors(points[0], x[0, :11], False)[1]
        for index, limit in ((to_y, size), (to_x, size), (neighbours, size), (picks, size)):
            assert ((index >= 0) & (index < limit)).all()
        assert ((anchors >= 0) & (anchors < 11)).all()


def test_empty_batches(cuda: torch._ops._OpNamespace) -> None:
    x, none = cloud(0, 5, 3), torch.zeros(0).long()
    for operators in (cuda, CPU):
        assert operators.nearest_both(x, x, None, none, 2, True)[0].shape == (0, 5)
        assert operators.knn(x, x, 2, None, None, 2, True)[1].shape == (0, 5, 2)
        assert operators.farthest_point_sampling(x, 2, none, none, True).shape == (0, 2)
        assert operators.ball_query(x, x, 2, 1.0, None, None, True)[1].shape == (0, 5, 2)
        assert operators.assign_anchors(cloud(0, 3), cloud(2, 3), True)[0].shape == (0,)
        index = torch.zeros(0, 5, 1).long()
        assert operators.distance_backward(x[..., :1], x, x, index, None, 2)[1].shape == (0, 5, 3)


def test_launch_that_fails_names_architecture_and_remedy(
    emulated: torch._ops._OpNamespace, library: Path
) -> None:
    x = cloud(1, 5, 3)
    for status, remedy in (
        (209, r"pip install .* or move the tensors to the CPU"),
        (35, "update the driver"),
        (700, "CUDA_LAUNCH_BLOCKING=1"),
    ):
        ctypes.CDLL(str(library)).emulate_failure(status)
        with pytest.raises(RuntimeError, match=rf"nearest did not run .* sm_75\).*{remedy}"):
            emulated.nearest(x, x, None, None, 2, False)
    same(emulated.nearest(x, x, None, None, 2, True), CPU.nearest(x, x, None, None, 2, True))


# --- on a GPU ---------------------------------------------------------------------------------


@pytest.fixture
def gpu() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU and torch with CUDA")
    return torch.device("cuda")


LARGE: dict[str, tuple[Callable[..., tuple[Tensor, ...]], tuple[Tensor, ...]]] = {
    "brute force": (ops.nearest, (cloud(8, 2048, 3), cloud(8, 2048, 3, seed=1))),
    "trees": (ops.nearest, (cloud(1, 100_000, 3), cloud(1, 90_000, 3, seed=1))),
    "tiles": (ops.nearest, (cloud(2, 3000, 32), cloud(2, 2000, 32, seed=1))),
    "knn": (lambda x: ops.knn(x, x, 20), (cloud(1, 50_000, 3),)),
    "registers": (lambda x: (ops.farthest_point_sampling(x, 2000),), (cloud(4, 8192, 3),)),
    "buckets": (lambda x: (ops.farthest_point_sampling(x, 4096),), (cloud(2, 150_000, 3),)),
    "anchors": (ops.assign_anchors, (cloud(70_000, 64), cloud(1000, 64, seed=1))),
    "ball query": (
        lambda x, y: ops.ball_query(x, y, 0.1, 32),
        (cloud(4, 512, 3), cloud(4, 16384, 3, seed=1)),
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_same_bits_as_on_the_cpu(gpu: torch.device, name: str) -> None:
    function, inputs = LARGE[name]
    got = function(*(value.to(gpu) for value in inputs))
    same(tuple(value.cpu() for value in got), function(*inputs))


def test_gradients_have_the_same_bits_in_every_run(gpu: torch.device) -> None:
    grads = []
    for _ in range(3):
        x = cloud(2, 20_000, 3).to(gpu).requires_grad_()
        ops.chamfer_distance(x, cloud(2, 500, 3, seed=1).to(gpu)).backward()
        grads.append(x.grad)
    assert torch.equal(grads[0], grads[1]) and torch.equal(grads[0], grads[2])


@pytest.mark.parametrize("size", [1000, 30_000])
def test_runs_in_a_captured_graph_and_on_the_current_stream(gpu: torch.device, size: int) -> None:
    x, y = cloud(1, size, 3).to(gpu).requires_grad_(), cloud(1, size, 3, seed=1).to(gpu)
    lengths = torch.tensor([size - 1], device=gpu)

    def step() -> tuple[Tensor, Tensor]:
        loss = ops.chamfer_distance(x, y, x_lengths=lengths, check_finite=False)
        return loss, torch.autograd.grad(loss, x)[0]

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        expected = step()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    graph.replay()
    torch.cuda.synchronize()
    same(captured, expected)
