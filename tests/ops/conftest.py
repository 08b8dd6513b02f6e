"""Where CUDA operators are tested: emulated everywhere, and on a GPU where there is one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from cuda_emulation.build import build
from torch import Tensor


@pytest.fixture(scope="session")
def library() -> Path:
    """The emulation, built for the sanitizer that NVC3D_EMULATION_SANITIZER names, if any."""
    if sys.platform != "linux" or shutil.which("c++") is None:
        pytest.skip("the emulation of CUDA needs Linux and a C++20 compiler")
    return build(os.environ.get("NVC3D_EMULATION_SANITIZER", ""))


@pytest.fixture(scope="module")
def filled() -> Iterator[None]:
    """Memory that nobody has written holds NaN or the largest number: no answer comes by luck."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(before)


@pytest.fixture(scope="module")
def emulated(library: Path, filled: None) -> torch._ops._OpNamespace:
    torch.ops.load_library(str(library))
    return torch.ops.nvc3d_emulation


class OnGpu:
    """The operators on a GPU, called with tensors of the CPU."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            # A tensor that is given twice stays one: knn(x, x) has a path of its own.
            moved = {id(a): a.cuda() for a in arguments if isinstance(a, Tensor)}
            got = getattr(torch.ops.nvc3d, name)(*(moved.get(id(a), a) for a in arguments))
            return got.cpu() if isinstance(got, Tensor) else tuple(part.cpu() for part in got)

        return call


@pytest.fixture(scope="module", params=["emulated", "gpu"])
def cuda(request: pytest.FixtureRequest) -> Any:
    """The CUDA operators for tensors of the CPU: both ways must give the CPU's answers."""
    if request.param == "emulated":
        return request.getfixturevalue("emulated")
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU and torch with CUDA")
    request.getfixturevalue("filled")
    return OnGpu()
