"""CUDA kernels are active only where torch and the driver can run them; else plain code answers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from cuda_emulation.drivers import environment

from nvc3d import ops
from nvc3d.ops import library

SOURCE = Path(__file__).resolve().parents[2] / "csrc" / "cuda" / "usable.cpp"
ASK = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.nvc3d_cuda_obstacle.restype = ctypes.c_char_p
print(library.nvc3d_cuda_runtime(), library.nvc3d_cuda_driver())
print(library.nvc3d_cuda_obstacle().decode())
"""


@pytest.fixture(scope="module")
def usable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of the library that decides, as if built with CUDA 12.4."""
    if sys.platform != "linux" or shutil.which("c++") is None:
        pytest.skip("needs Linux and a C++ compiler")
    path = tmp_path_factory.mktemp("usable") / "libusable.so"
    flags = ["-std=c++20", "-shared", "-fPIC", "-DNVC3D_CUDA_RUNTIME=12040"]
    flags += ['-DNVC3D_CUDA_ARCHITECTURES="sm_75/sm_90"', "-Wl,-z,lazy"]
    subprocess.run(["c++", *flags, str(SOURCE), "-o", str(path)], check=True)
    return path


def ask(library: Path, variables: dict[str, str]) -> tuple[str, str]:
    run = subprocess.run(
        [sys.executable, "-c", ASK, str(library)],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    versions, obstacle = run.stdout.removesuffix("\n").split("\n")
    return versions, obstacle


@pytest.mark.parametrize("driver", [12000, 12040, 12080, 13020])
def test_runs_with_every_driver_of_its_cuda_and_later(
    usable: Path, tmp_path: Path, driver: int
) -> None:
    assert ask(usable, environment(tmp_path, driver)) == (f"12040 {driver}", "")


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        (
            11080,
            "the NVIDIA driver knows CUDA 11.8, and this build of nvc3d needs 12.0: update the ",
        ),
        (None, "there is no NVIDIA driver"),
        (0, "there is no NVIDIA driver"),
    ],
)
def test_old_drivers_and_none_are_named(
    usable: Path, tmp_path: Path, driver: int | None, told: str
) -> None:
    versions, obstacle = ask(usable, environment(tmp_path, driver))
    assert versions == f"12040 {driver or 0}" and obstacle.startswith(told)


def test_torch_must_be_for_cuda(usable: Path, tmp_path: Path) -> None:
    on_cpu = environment(tmp_path / "cpu", 12080, cuda=False)
    assert ask(usable, on_cpu)[1] == "torch is built without CUDA"
    on_rocm = environment(tmp_path / "rocm", 12080, rocm=True)
    assert ask(usable, on_rocm)[1].startswith("torch is built for ROCm")


def test_plain_code_answers_for_cuda_tensors_with_one_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if ops.library.describe()["cuda"]:
        pytest.skip("the CUDA kernels are active here")
    assert ops.library.describe()["cuda_obstacle"]
    monkeypatch.setattr(library, "_warned", False)
    x, y = torch.rand(2, 30, 3), torch.rand(2, 20, 3)
    # What torch does with tensors of a GPU, which are not needed for that.
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CUDA)
    nearest, knn = torch.ops.nvc3d.nearest.default, torch.ops.nvc3d.knn.default
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = nearest.redispatch(keys, x, y, None, None, 2, True)
        knn.redispatch(keys, x, y, 3, None, None, 2, True)
    assert torch.equal(found[1], nearest(x, y, None, None, 2, True)[1])
    assert [str(warning.message) for warning in caught] == [
        "nvc3d runs on slow PyTorch code for CUDA tensors: "
        f"{ops.library.describe()['cuda_obstacle']}; `nvc3d doctor` says more"
    ]
