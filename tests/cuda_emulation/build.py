"""Builds the CUDA operators for the CPU: `python tests/cuda_emulation/build.py [FOLDER]`.

They appear as torch.ops.nvc3d_emulation; cuda_runtime.h says what that shows and what it cannot.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "cuda_emulation"
FLAGS = (
    "-std=c++20 -O1 -fPIC -Wall -Wextra -Wno-unknown-pragmas -ffp-contract=off -fno-math-errno "
    "-fvisibility=hidden -DUSE_CUDA -DTORCH_TARGET_VERSION=0x020A000000000000 "
    # Small clouds go where only large ones go on a GPU.
    "-DNVC3D_TREE_COST=65536 -DNVC3D_MOST_IN_REGISTERS=600"
)


def build(folder: Path, compiler: str = "c++") -> Path:
    """Compiles what changed since the last time; gives the path of the library."""
    import ninja

    spec = find_spec("torch")
    assert spec is not None and spec.origin is not None
    torch = Path(spec.origin).parent
    library = folder / "libnvc3d_emulation.so"
    sources = [HERE / "emulation.cpp"]
    sources += [s for s in sorted((ROOT / "csrc" / "cuda").glob("*.cu")) if s.stem != "sort"]
    lines = [
        f"flags = {FLAGS} -I{HERE} -isystem {torch / 'include'}",
        "rule compile",
        f"  command = {compiler} -MMD -MF $out.d $flags -x c++ -c $in -o $out",
        "  depfile = $out.d",
        "  deps = gcc",
        "rule link",
        f"  command = {compiler} -shared $in -o $out -L{torch / 'lib'} -ltorch -ltorch_cpu -lc10",
        *(f"build {source.stem}.o: compile {source}" for source in sources),
        f"build {library.name}: link {' '.join(f'{source.stem}.o' for source in sources)}",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")
    command = [str(Path(ninja.BIN_DIR) / "ninja"), "-C", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"the emulation did not compile:\n{run.stdout}{run.stderr}")
    return library


if __name__ == "__main__":
    print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else BUILD))
