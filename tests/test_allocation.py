"""Memory that is freed stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import ctypes, sys
class Info(ctypes.Structure):  # mallinfo2 of malloc.h
    _fields_ = [(f"field{i}", ctypes.c_size_t) for i in range(3)]
    _fields_ += [("mapped", ctypes.c_size_t), *((f"more{i}", ctypes.c_size_t) for i in range(6))]
library = ctypes.CDLL(None)
library.mallinfo2.restype = Info
library.malloc.restype = ctypes.c_void_p
from nvc3d.allocation import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
before = library.mallinfo2().mapped
library.malloc(ctypes.c_size_t(24 << 20))
print(library.mallinfo2().mapped - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is of Linux")
@pytest.mark.parametrize(("how", "mapped"), [("kept", "0"), ("as it is", "1")])
def test_large_tensors_have_no_pages_of_their_own_once_freed_memory_is_kept(
    how: str, mapped: str
) -> None:
    run = subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True)
    if "mallinfo2" in run.stderr:
        pytest.skip("a C library without mallinfo2")
    assert run.stdout.strip() == mapped, run.stderr
