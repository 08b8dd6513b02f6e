"""The portable kernels on another processor: compiled for aarch64, run under emulation."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from kernels.build import FLAGS, HERE, ROOT

CROSS, EMULATOR = shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64-static")


@pytest.mark.skipif(
    CROSS is None or EMULATOR is None,
    reason="needs Debian's g++-aarch64-linux-gnu and qemu-user-static",
)
def test_same_bits_on_aarch64(tmp_path):
    sources = [HERE / "digest.cpp", ROOT / "csrc" / "cpu" / "variant_portable.cpp"]
    digests = []
    for name, compiler, emulator in (("here", "c++", []), ("aarch64", CROSS, [EMULATOR])):
        program = tmp_path / name
        flags = FLAGS.replace("-O3", "-O1").split()
        subprocess.run([compiler, *flags, *sources, "-static", "-o", program], check=True)
        run = subprocess.run([*emulator, program], capture_output=True, text=True, check=True)
        digests.append(run.stdout.splitlines())
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == len(digests[0]) == 2 * 2 * 3 * 2 * 6
