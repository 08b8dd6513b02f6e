"""What stands in for instructions that GPUs before sm_80 lack does what these instructions do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

EMULATION = Path(__file__).resolve().parents[1] / "cuda_emulation"
TORCH = Path(torch.__file__).parent


def test_fallbacks_do_what_the_instructions_do(tmp_path: Path) -> None:
    if sys.platform != "linux" or shutil.which("c++") is None:
        pytest.skip("the emulation of CUDA needs Linux and a C++20 compiler")
    program = tmp_path / "before_sm80"
    command = ["c++", "-std=c++20", "-DUSE_CUDA", "-DTORCH_TARGET_VERSION=0x020A000000000000"]
    command += [f"-I{EMULATION}", "-isystem", str(TORCH / "include")]
    command += [str(EMULATION / "before_sm80.cpp"), str(EMULATION / "runtime.cpp")]
    command += ["-o", str(program)]
    command += [f"-L{TORCH / 'lib'}", f"-Wl,-rpath,{TORCH / 'lib'}", "-ltorch_cpu", "-lc10"]
    subprocess.run(command, check=True)
    result = subprocess.run([program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
