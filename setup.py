"""Builds the compiled operators: one library for every Python >= 3.10 and every torch >= 2.10.

The library is written against torch's stable ABI and holds no Python symbol. torch itself is only
looked for, never imported or downloaded: its headers are taken from where it is installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
# The oldest torch whose functions are used.
STABLE_ABI = "-DTORCH_TARGET_VERSION=0x020A000000000000"
COMPILER = (os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or "").split()
X86 = platform.machine().lower() in ("x86_64", "amd64")
VARIANTS = {
    # Machines with x86 and no AVX2 are few: half the compile time is worth more than their speed.
    "portable": ["-O2"] if X86 else [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx2", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"],
}


def pythons() -> Iterator[str]:
    """Interpreters that may have torch: a build front end hides them behind an isolated one."""
    yield sys.executable
    if "VIRTUAL_ENV" in os.environ:
        yield str(Path(os.environ["VIRTUAL_ENV"]) / "bin" / "python")
    parent = Path(f"/proc/{os.getppid()}/cmdline")
    if parent.exists():
        command = parent.read_bytes().split(b"\0")[0].decode()
        if "python" in Path(command).name and (found := shutil.which(command)):
            yield found
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which("python3", path=folder):
            yield found


def torch_folder() -> Path:
    """Where torch is installed, found without importing it."""
    installed = Path(sysconfig.get_path("purelib")) / "torch"
    if (installed / "include").is_dir():
        return installed
    question = (
        "from importlib.util import find_spec as f; s = f('torch'); print(s.origin if s else '')"
    )
    for python in dict.fromkeys(pythons()):
        # Without the build front end's additions to the module path.
        answer = subprocess.run(
            [python, "-I", "-c", question], capture_output=True, text=True, check=False
        ).stdout.strip()
        if answer and (Path(answer).parent / "include").is_dir():
            return Path(answer).parent
    sys.exit(
        "nvc3d: torch >= 2.10 must be installed before nvc3d, whose operators compile against its "
        "headers: run `pip install torch`, then install nvc3d again from that environment"
    )


class Build(build_ext):
    """Compiles each unit for its instruction set, all side by side, and links them."""

    def build_extension(self, extension: Extension) -> None:
        torch = torch_folder()
        folder = Path(self.build_temp)
        folder.mkdir(parents=True, exist_ok=True)
        common = [
            *COMPILER,
            "-std=c++17",
            "-O3",
            "-fPIC",
            # Distances must round alike everywhere: products are fused where the code says so.
            "-ffp-contract=off",
            "-fno-math-errno",
            "-fvisibility=hidden",
            "-Wall",
            STABLE_ABI,
            f"-I{torch / 'include'}",
        ]
        jobs, objects = [], []
        for source in extension.sources:
            variant = Path(source).stem.removeprefix("variant_")
            objects.append(str(folder / (Path(source).stem + ".o")))
            jobs.append([*common, *VARIANTS.get(variant, []), "-c", source, "-o", objects[-1]])
        running = [subprocess.Popen(self.shown(job)) for job in jobs]
        if any([process.wait() for process in running]):
            sys.exit(
                "nvc3d: the compiled operators did not compile; see the compiler's message above"
            )
        target = Path(self.get_ext_fullpath(extension.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        # torch's own libraries are in the process before this one: no path to them is kept.
        link = [*COMPILER, "-shared", *objects, "-o", str(target), f"-L{torch / 'lib'}"]
        link += [] if sys.platform == "darwin" else ["-Wl,--no-as-needed"]
        link += ["-ltorch", "-ltorch_cpu", "-lc10"]
        if subprocess.run(self.shown(link), check=False).returncode:
            sys.exit("nvc3d: the compiled operators did not link; see the linker's message above")

    def shown(self, command: list[str]) -> list[str]:
        self.announce(" ".join(command), level=2)
        return command

    def get_ext_filename(self, fullname: str) -> str:
        return str(Path(*fullname.split("."))) + ".abi3.so"


class Wheel(bdist_wheel):
    """One wheel for every Python from 3.10."""

    def finalize_options(self) -> None:
        if self.distribution.has_ext_modules():
            self.py_limited_api = "cp310"
        super().finalize_options()


def sources() -> list[str]:
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "csrc").glob("**/*.cpp"))
    return [
        str(file) for file in files if X86 or file.stem not in ("variant_avx2", "variant_avx512")
    ]


if not COMPILER:
    print(
        "nvc3d: no C++ compiler found, so the compiled operators are left out and slow PyTorch "
        "code takes their place; to have them, install g++ and install nvc3d again",
        file=sys.stderr,
    )
setup(
    ext_modules=[Extension("nvc3d._C", sources(), py_limited_api=True)] if COMPILER else [],
    cmdclass={"build_ext": Build, "bdist_wheel": Wheel},
)
