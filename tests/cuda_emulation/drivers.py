"""Stands in for torch with CUDA and for NVIDIA's driver: what a library finds when it is loaded."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TORCH_WITH_CUDA = """
int aoti_torch_get_current_cuda_stream(int device, void** stream) { return *stream = 0, 0; }
"""
DRIVER = "int cuDriverGetVersion(int* version) {{ return *version = {0}, 0; }}"


def environment(
    folder: Path, driver: int | None = None, *, cuda: bool = True, rocm: bool = False
) -> dict[str, str]:
    """The variables of a process that finds such a driver (None: none), and such a torch."""
    folder.mkdir(parents=True, exist_ok=True)
    first = []
    if cuda:
        first.append(_library(folder / "libtorch_stand_in.so", TORCH_WITH_CUDA))
    if rocm:
        first.append(_library(folder / "libc10_hip.so", ""))
    if driver is not None:
        _library(folder / "libcuda.so.1", DRIVER.format(driver))
    path = f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    return os.environ | {"LD_LIBRARY_PATH": path, "LD_PRELOAD": ":".join(map(str, first))}


def _library(path: Path, source: str) -> Path:
    command = [
        "cc",
        "-shared",
        "-fPIC",
        "-x",
        "c",
        "-",
        "-o",
        str(path),
        f"-Wl,-soname,{path.name}",
    ]
    subprocess.run(command, input=source, text=True, check=True)
    return path
