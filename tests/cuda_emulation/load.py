"""Loads a library with CUDA kernels on any torch: `python tests/cuda_emulation/load.py LIBRARY`."""

from __future__ import annotations

import sys

import torch

# Their work is done on the CPU, wherever the tensors are.
WITHOUT_CUDA = {"optimal_matching"}

torch.ops.load_library(sys.argv[1])
# What the library declares; the tests of the package say that these are all operators there are.
declared = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("nvc3d::")]
if not declared:
    sys.exit(f"{sys.argv[1]} declares no operator")
for name in (name.removeprefix("nvc3d::") for name in declared):
    for key in ("CPU",) if name in WITHOUT_CUDA else ("CPU", "CUDA"):
        if not torch._C._dispatch_has_kernel_for_dispatch_key(f"nvc3d::{name}", key):
            sys.exit(f"{sys.argv[1]} has no {key} kernel for {name}")
x, y = torch.rand(2, 100, 3), torch.rand(2, 90, 3)
_, index = torch.ops.nvc3d.nearest(x, y, None, None, 2, True)
if not torch.equal(index, torch.cdist(x, y).argmin(2)):
    sys.exit(f"{sys.argv[1]} finds wrong neighbours on the CPU")
print(f"{sys.argv[1]}: CUDA kernels compiled in; loads and computes on torch {torch.__version__}")
