"""Loads a library with CUDA kernels on any torch: `python tests/cuda_emulation/load.py LIBRARY`."""

from __future__ import annotations

import sys

import torch

OPERATORS = [
    "nearest",
    "nearest_both",
    "knn",
    "distance_backward",
    "farthest_point_sampling",
    "ball_query",
    "assign_anchors",
]

torch.ops.load_library(sys.argv[1])
for name in OPERATORS:
    for key in ("CPU", "CUDA"):
        if not torch._C._dispatch_has_kernel_for_dispatch_key(f"nvc3d::{name}", key):
            sys.exit(f"{sys.argv[1]} has no {key} kernel for {name}")
x, y = torch.rand(2, 100, 3), torch.rand(2, 90, 3)
_, index = torch.ops.nvc3d.nearest(x, y, None, None, 2, True)
if not torch.equal(index, torch.cdist(x, y).argmin(2)):
    sys.exit(f"{sys.argv[1]} finds wrong neighbours on the CPU")
print(f"{sys.argv[1]}: CUDA kernels compiled in; loads and computes on torch {torch.__version__}")
