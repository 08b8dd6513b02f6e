"""Loads a library with CUDA kernels on any torch: `python tests/cuda_emulation/load.py LIBRARY`.

Then once more beside what stands for CUDA's torch and a driver that is new enough: there, and only
there, the CUDA kernels are active.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from drivers import environment

# Their work is done on the CPU, or by the plain definition, or is not asked of a GPU.
WITHOUT_CUDA = {
    "assign_planes",
    "ball_query_in_tree",
    "build_tree",
    "grow_planes",
    "knn_in_tree",
    "local_planes",
    "optimal_matching",
    "plane_moments",
    "pool_neighbours",
    "pool_neighbours_backward",
    "region_borders",
    "shared_planes",
}

LIBRARY = sys.argv[1]
ACTIVE = len(sys.argv) > 2 and sys.argv[2] == "active"

torch.ops.load_library(LIBRARY)
# What the library declares; the tests of the package say that these are all operators there are.
declared = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("nvc3d::")]
if not declared:
    sys.exit(f"{LIBRARY} declares no operator")
for name in (name.removeprefix("nvc3d::") for name in declared):
    for key, expected in (("CPU", True), ("CUDA", ACTIVE and name not in WITHOUT_CUDA)):
        if torch._C._dispatch_has_kernel_for_dispatch_key(f"nvc3d::{name}", key) != expected:
            sys.exit(f"{LIBRARY}: the {key} kernel of {name} should be there: {expected}")
x, y = torch.rand(2, 100, 3), torch.rand(2, 90, 3)
_, index = torch.ops.nvc3d.nearest(x, y, None, None, 2, True)
if not torch.equal(index, torch.cdist(x, y).argmin(2)):
    sys.exit(f"{LIBRARY} finds wrong neighbours on the CPU")
if len(sys.argv) > 2:
    sys.exit()
with tempfile.TemporaryDirectory() as folder:
    for driver, state in ((99000, "active"), (11080, "inactive"), (None, "inactive")):
        variables = environment(Path(folder) / str(driver), driver)
        subprocess.run([sys.executable, __file__, LIBRARY, state], env=variables, check=True)
print(f"{LIBRARY}: CUDA kernels compiled in; loads and computes on torch {torch.__version__}")
