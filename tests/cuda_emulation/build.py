"""Builds the CUDA operators for the CPU: `python tests/cuda_emulation/build.py [thread | address]`.

They appear as torch.ops.nvc3d_emulation; cuda_runtime.h says what that shows and what it cannot.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "cuda_emulation"
CUDA = ROOT / "csrc" / "cuda"
FLAGS = (
    "-std=c++20 -O1 -fPIC -Wall -Wextra -Wno-unknown-pragmas -Wno-missing-field-initializers "
    "-ffp-contract=off -fno-math-errno -fvisibility=hidden -DUSE_CUDA "
    "-DTORCH_TARGET_VERSION=0x020A000000000000 "
    # Small clouds go where only large ones go on a GPU.
    "-DNVC3D_TREE_COST=65536 -DNVC3D_MOST_IN_REGISTERS=600 -DNVC3D_MOST_BUCKETS=64"
)
SANITIZERS = {
    "": "",
    "thread": "-g1 -fsanitize=thread,bounds",
    "address": "-g1 -fsanitize=address,undefined -fsanitize-recover=address",
}
# What stands for the GPU itself, and is no kernel.
RUNTIME = ("runtime", "emulation")


@FileLock(BUILD.with_name("cuda_emulation.lock"))  # of several processes of tests one builds
@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time works in a folder: the tests run in several."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(sanitizer: str = "", cuda: Path = CUDA, units: tuple[str, ...] = ()) -> Path:
    """Compiles what changed since the last time; gives the path of the library.

    `units` are those that come from another copy of csrc/cuda; the rest is then linked as it was
    built without a sanitizer.
    """
    import ninja

    spec = find_spec("torch")
    assert spec is not None and spec.origin is not None
    torch = Path(spec.origin).parent
    folder = BUILD / (sanitizer or "plain") if cuda == CUDA else cuda.parent / "build"
    library = folder / "libnvc3d_emulation.so"
    flags = f"{FLAGS} -I{HERE} -isystem {torch / 'include'}"
    lines = [
        "rule compile",
        f"  command = c++ -MMD -MF $out.d {flags} $flags -x $kind -c $in -o $out",
        "  depfile = $out.d",
        "  deps = gcc",
        "rule link",
        f"  command = c++ -shared $flags $in -o $out -L{torch / 'lib'} -ltorch -ltorch_cpu -lc10",
    ]

    def target(name: str, source: Path, flags: str, kind: str = "c++", needs: str = "") -> str:
        lines.extend([f"build {name}: compile {source} {needs}", f"  kind = {kind}"])
        lines.append(f"  flags = {flags}")
        return name

    # torch's headers are most of what there is to compile: once for all kernels.
    # Units of another copy run little, and are most of their time compiled.
    own = f"{SANITIZERS[sanitizer]} -O0" if units else SANITIZERS[sanitizer]
    header = target("cuda_runtime.h.gch", HERE / "cuda_runtime.h", own, "c++-header")
    common = f"-I{folder} -include {folder / 'cuda_runtime.h'} {own}"
    objects = []
    kernels = [source for source in sorted(cuda.glob("*.cu")) if source.stem != "sort"]
    kernels.sort(key=lambda source: source.stem not in units)  # the first of two is linked
    for source in kernels:
        if not units or source.stem in units:
            name = target(f"{source.stem}.o", source, common, needs=f"| {header}")
        else:
            name = str(BUILD / "plain" / f"{source.stem}.o")
        objects.append(name)
    for stem in RUNTIME:
        if sanitizer:
            objects.append(str(BUILD / "plain" / f"{stem}.o"))
        else:
            objects.append(target(f"{stem}.o", HERE / f"{stem}.cpp", common, needs=f"| {header}"))
    lines += [f"build {library.name}: link {' '.join(objects)}"]
    lines += [f"  flags = {SANITIZERS[sanitizer]}"]
    if sanitizer:
        build()
    with alone(folder):
        (folder / "cuda_runtime.h").write_text('#error "the header is precompiled"\n')
        (folder / "build.ninja").write_text("\n".join(lines) + "\n")
        command = [str(Path(ninja.BIN_DIR) / "ninja"), "-C", str(folder)]
        # A sanitizer that this process runs under is none of the compiler's.
        environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if run.returncode:
        raise RuntimeError(f"the emulation did not compile:\n{run.stdout}{run.stderr}")
    return library


if __name__ == "__main__":
    print(build(*sys.argv[1:]))
