"""Kernels broken on purpose, to see that each fault is found by the detector meant for it.

A fault is a change of the real source, which is made in a copy and sleeps there until it is chosen
by its number: one library holds them all, and without a number the kernels as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cuda_emulation.build import BUILD, CUDA, build


@dataclass(frozen=True)
class Fault:
    """`{broken}` in the text stands for the condition that this fault is chosen."""

    name: str
    file: str
    pattern: str  # a regular expression that the file must hold exactly once
    text: str
    trial: str  # one of trial.py's
    found: str  # in what the detector says
    sanitizer: str = "thread"
    between_blocks: bool = False


FAULTS = (
    Fault(
        "a barrier dropped after a tile is filled",
        "tile.cuh",
        r"__syncthreads\(\);(\s*for \(int d = 0; d < width)",
        r"if (!{broken}) __syncthreads();\1",
        "tiles",
        "data race",
    ),
    Fault(
        "a barrier dropped before a tile is filled again",
        "tile.cuh",
        r"__syncthreads\(\);(\s*if \(column\(\) < width)",
        r"if (!{broken}) __syncthreads();\1",
        "tiles",
        "data race",
    ),
    Fault(
        "a barrier that only some warps reach",
        "tile.cuh",
        r"(__syncthreads\(\);\s*)(for \(int d = 0; d < width)",
        r"if (!{broken} || threadIdx.x > 32) \1\2",
        "tiles",
        "the threads of a block meet at different places",
    ),
    Fault(
        "a stale tile",
        "tile.cuh",
        r"(shared\.y\[d\]\[j\] = )",
        r"if (!{broken} || start == 0) \1",
        "tiles",
        "wrong answer",
    ),
    Fault(
        "shared memory that nobody has written",
        "tile.cuh",
        r"(shared\.x\[d\]\[i\] = )",
        r"if (!{broken} || i != 3) \1",
        "tiles",
        "wrong answer",
    ),
    Fault(
        "shared memory written out of bounds",
        "tile.cuh",
        r"shared\.x\[d\](\[i\] = )",
        r"shared.x[{broken} ? d + 1 : d]\1",
        "tiles",
        "out of bounds",
    ),
    Fault(
        "a warp that does not wait for its own shared memory",
        "tree.cuh",
        r"(leaf\[lane\] = [^;]*;\s*)__syncwarp\(\);",
        r"\1if (!{broken}) __syncwarp();",
        "trees",
        "data race",
    ),
    Fault(
        "a mask without a lane that comes",
        "nearest_brute.cuh",
        r"__shfl_xor_sync\(all_lanes, best\[i\], bit\)",
        r"__shfl_xor_sync({broken} ? 0x7FFFFFFFu : all_lanes, best[i], bit)",
        "tiles",
        "under a mask without it",
    ),
    Fault(
        "lanes at different collectives",
        "nearest_brute.cuh",
        r"(const int32_t other_index = )(__shfl_xor_sync\(all_lanes, index\[i\], bit\));",
        r"\1{broken} && lane_number() == 3 ? \2\n : \2;",
        "tiles",
        "the lanes of a warp meet at different places",
    ),
    Fault(
        "a row too few at the edge",
        "nearest_brute.cuh",
        r"column < m &&",
        r"column < m - {broken} &&",
        "tiles",
        "wrong answer",
    ),
    Fault(
        "an output that is not written",
        "nearest_brute.cuh",
        r"Tile::column\(\) == 0 && row < n\b",
        r"Tile::column() == 0 && row < n - {broken}",
        "tiles",
        "wrong answer",
    ),
    Fault(
        "blocks that write one place",
        "values.cu",
        r"atomicAdd\(&found->bad, bad\);",
        r"if ({broken}) found->bad += bad; else atomicAdd(&found->bad, bad);",
        "refused",
        "data race",
        between_blocks=True,
    ),
    Fault(
        "a host that reads before the device has written",
        "values.cu",
        r"(device_\.check\(cudaEventSynchronize\(arrived_\)\);)",
        r"if (!{broken}) \1",
        "refused",
        "data race",
    ),
    Fault(
        "a number that tensor cores cannot read",
        "assign_anchors.cu",
        r"(0x1000u\) & )~0x1FFFu",
        r"\1({broken} ? ~0xFFFu : ~0x1FFFu)",
        "anchors",
        "not a TF32 number",
    ),
    Fault(
        "device memory read out of bounds",
        "ball_query.cu",
        r"\bj < m \?",
        r"({broken} || j < m) ?",
        "balls",
        "heap-buffer-overflow",
        sanitizer="address",
    ),
)
# The units whose kernels are broken, by the sanitizer that they are built for.
UNITS = {
    "thread": ("assign_anchors", "nearest", "values"),
    "address": ("ball_query",),
}


def broken_library(sanitizer: str) -> Path:
    """The library with all faults, for one of the sanitizers.

    Raises ValueError where the source no longer holds what a fault changes.
    """
    folder = BUILD / f"broken_{sanitizer}" / "csrc"
    copies = {path.name: path.read_text() for path in CUDA.iterdir()}
    for number, fault in enumerate(FAULTS, 1):
        change = fault.text.replace("{broken}", f"(emulation::broken == {number})")
        copies[fault.file], count = re.subn(fault.pattern, change, copies[fault.file])
        if count != 1:
            raise ValueError(
                f"csrc/cuda/{fault.file} must hold {fault.pattern!r} exactly once, for the fault "
                f"{fault.name!r} of tests/cuda_emulation/broken.py: the kernel has changed"
            )
    cuda = folder / "cuda"
    cuda.mkdir(parents=True, exist_ok=True)
    for name, text in copies.items():
        # What stays the same is not compiled again.
        if not (cuda / name).exists() or (cuda / name).read_text() != text:
            (cuda / name).write_text(text)
    for other in ("core", "checks.h"):
        if not (folder / other).exists():
            (folder / other).symlink_to(CUDA.parent / other)
    return build(sanitizer, cuda, UNITS[sanitizer])
