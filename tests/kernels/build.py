"""Builds the test-only module `nvc3d_kernels`, which calls each variant of the kernels.

They are those of nvc3d's compiled library. Where NVC3D_SANITIZE is set, the module holds its own,
which stop the process at the first invalid access or undefined operation (the sanitizers' libraries
must then be loaded before Python: see `make sanitize`).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType

from filelock import FileLock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "kernels"
FLAGS = "-std=c++17 -O3 -fPIC -Wall -Wextra -ffp-contract=off -fno-math-errno -fvisibility=hidden"
SANITIZERS = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
VARIANTS = {
    "portable": "",
    "avx2": "-mavx2 -mfma",
    "avx512": "-mavx2 -mfma -mavx512f -mavx512dq -mavx512bw -mavx512vl",
}


@FileLock(BUILD.with_name("kernels.lock"))  # of several processes of tests one builds
def build(folder: Path, library: Path | None, extra_flags: str = "", compiler: str = "c++") -> Path:
    """Compiles what changed since the last time; gives the path of the module.

    The kernels are those of a library, or without one compiled for the module alone.
    """
    import ninja
    import pybind11

    module = folder / f"nvc3d_kernels{sysconfig.get_config_var('EXT_SUFFIX')}"
    includes = f"-I{pybind11.get_include()} -I{sysconfig.get_path('include')}"
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    units = {HERE / "module.cpp": includes, HERE / "planes.cpp": includes}
    if library is None:
        cpu = ROOT / "csrc" / "cpu"
        units[cpu / "variant.cpp"] = ""
        for name, flags in VARIANTS.items():
            if x86 or name == "portable":
                units[cpu / f"variant_{name}.cpp"] = flags
    lines = [
        f"flags = {FLAGS} {extra_flags}",
        "rule compile",
        f"  command = {compiler} -MMD -MF $out.d $flags $more -c $in -o $out",
        "  depfile = $out.d",
        "  deps = gcc",
        "rule link",
        f"  command = {compiler} -shared $flags $in -o $out -pthread",
    ]
    for source, more in units.items():
        lines += [f"build {source.stem}.o: compile {source}", f"  more = {more}"]
    linked = [f"{unit.stem}.o" for unit in units] + [str(library)] * (library is not None)
    lines.append(f"build {module.name}: link {' '.join(linked)}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")
    command = [str(Path(ninja.BIN_DIR) / "ninja"), "-C", str(folder)]
    # The compiler needs no sanitizer of its own, which would slow it down tenfold.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if run.returncode:
        raise RuntimeError(f"the kernels did not compile:\n{run.stdout}{run.stderr}")
    return module


def load() -> ModuleType:
    """The module, built first where it is not up to date."""
    if os.environ.get("NVC3D_SANITIZE"):
        path = build(BUILD.with_name("kernels-sanitized"), None, SANITIZERS, "g++")
    else:
        # This loads the library, and before it torch's, which it needs.
        from nvc3d.ops.library import describe

        told = describe()
        if not told["compiled"]:
            raise RuntimeError(f"the kernels of the CPU are tested: {told['reason']}")
        path = build(BUILD, Path(told["path"]))
    spec = importlib.util.spec_from_file_location("nvc3d_kernels", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
