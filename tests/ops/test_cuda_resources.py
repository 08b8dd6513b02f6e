"""The reading of the compiler's report on what kernels need."""

from __future__ import annotations

import shutil

import pytest
from cuda_emulation.ptxas import CUDA, Kernel, kernels, launch_bounds, problems, threads

needs_demangler = pytest.mark.skipif(shutil.which("c++filt") is None, reason="needs c++filt")

LOG = """\
ptxas info    : 28 bytes gmem, 224 bytes cmem[4]
ptxas info    : Compiling entry function '_ZN5nvc3d12_GLOBAL__N_13oneIfEEvPT_' for 'sm_75'
ptxas info    : Function properties for _ZN5nvc3d12_GLOBAL__N_13oneIfEEvPT_
    0 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 39424 bytes smem, 464 bytes cmem[0]
ptxas info    : Compile time = 330.409 ms
ptxas info    : Compiling entry function '_ZN5nvc3d12_GLOBAL__N_13oneIdEEvPT_' for 'sm_90'
ptxas info    : Function properties for _ZN5nvc3d12_GLOBAL__N_13oneIdEEvPT_
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 0 barriers
"""
FLOAT = "void nvc3d::(anonymous namespace)::one<float>(float*)"


@needs_demangler
def test_kernels_of_a_report() -> None:
    first, second = kernels(LOG)
    assert first == Kernel(FLOAT, "sm_75", 64, 39424, 12)
    assert second == Kernel(FLOAT.replace("float", "double"), "sm_90", 40, 0, 0)


def test_threads_come_from_the_source() -> None:
    source = """
constexpr int threads = 128;
constexpr int wide = 512;
__global__ void plain(int* x) {
__global__ void __launch_bounds__(wide, 2)
    bounded(int* x) {
template <int Threads, int Each>
__global__ void __launch_bounds__(Threads) templated(int* x) {
"""
    bounds = launch_bounds({"a.cu": source})
    found = [
        threads(Kernel(name, "sm_90", 1, 0, 0), bounds)
        for name in (
            "nvc3d::plain(int*)",
            "void nvc3d::(anonymous namespace)::bounded<float>(int*)",
            "void nvc3d::(anonymous namespace)::templated<256, 16>(int*)",
            "nvc3d::unknown(int*)",
        )
    ]
    assert found == [128, 512, 256, 1024]
    real = launch_bounds({path.name: path.read_text() for path in CUDA.iterdir()})
    assert real["nearest_by_tiles"] == "256" and len(real) > 15


@pytest.mark.parametrize(
    ("kernel", "sentence"),
    [
        (Kernel(FLOAT, "sm_90", 64, 49152, 0), None),
        (Kernel(FLOAT, "sm_90", 64, 49153, 0), "49153 bytes of shared memory"),
        (Kernel(FLOAT, "sm_90", 65, 0, 0), "65 registers in each of 1024 threads"),
        (Kernel(FLOAT, "sm_90", 32, 0, 12), "spills registers: 12 bytes"),
        (Kernel(FLOAT.replace("float", "double"), "sm_90", 32, 0, 12), None),
        (Kernel("void cub::detail::Sort<nvc3d::one<int> >(int*)", "sm_90", 96, 0, 12), None),
    ],
)
def test_what_does_not_fit_is_said(kernel: Kernel, sentence: str | None) -> None:
    found = problems([kernel], {"one": "1024"})
    assert (sentence is None and not found) or (sentence is not None and sentence in found[0])
