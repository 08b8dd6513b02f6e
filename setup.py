"""Builds the compiled operators: one library for every Python >= 3.10 and every torch >= 2.10.

The library is written against torch's stable ABI and holds no Python symbol. torch itself is only
looked for, never imported or downloaded: its headers are taken from where it is installed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


def find_nvcc() -> str | None:
    """CUDA's compiler, or None: it is taken where it is, but for NVC3D_CUDA=0."""
    wanted = os.environ.get("NVC3D_CUDA", "")
    homes = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if name in os.environ]
    found = shutil.which("nvcc", path=os.pathsep.join(str(Path(h) / "bin") for h in homes))
    found = found or shutil.which("nvcc")
    if wanted == "1" and not found:
        sys.exit("nvc3d: NVC3D_CUDA=1 asks for the CUDA kernels, but there is no nvcc on the PATH")
    return None if wanted == "0" else found


NVCC = find_nvcc()


def cuda_target() -> tuple[list[str], list[str]]:
    """For which GPUs to compile: machine code for each architecture, and PTX for what comes.

    Gives nvcc's flags, and what the library says of itself: the version of CUDA's runtime and the
    architectures.
    """
    assert NVCC is not None
    wanted = (
        os.environ.get("NVC3D_CUDA_ARCHITECTURES", "75 80 90 100 120").replace(",", " ").split()
    )
    known = subprocess.run([NVCC, "--list-gpu-arch"], capture_output=True, text=True).stdout
    numbers = [number for number in wanted if f"compute_{number}" in known.split()]
    if not numbers:
        sys.exit(f"nvc3d: {NVCC} knows none of NVC3D_CUDA_ARCHITECTURES={' '.join(wanted)}")
    flags = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in numbers]
    flags.append(f"-gencode=arch=compute_{numbers[-1]},code=compute_{numbers[-1]}")
    version = subprocess.run([NVCC, "--version"], capture_output=True, text=True).stdout
    release = re.search(r"release (\d+)\.(\d+)", version)
    if release is None:
        sys.exit(f"nvc3d: {NVCC} --version does not say which release it is:\n{version}")
    runtime = int(release[1]) * 1000 + int(release[2]) * 10
    told = [
        f"-DNVC3D_CUDA_RUNTIME={runtime}",
        f'-DNVC3D_CUDA_ARCHITECTURES="{"/".join(f"sm_{number}" for number in numbers)}"',
    ]
    return [*flags, "-DUSE_CUDA", "-fmad=false"], told


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
        # Distances must round alike everywhere: products are fused where the code says so.
        common = ["-std=c++20", "-O3", STABLE_ABI, f"-I{torch / 'include'}"]
        host = ["-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-Wall"]
        for_gpus, told = cuda_target() if NVCC else ([], [])
        cuda = [*for_gpus, *told, f"-Xcompiler={','.join(host)}"]
        jobs, objects = [], []
        for source in map(Path, extension.sources):
            # Files of one name, for the CPU and for CUDA, lie side by side.
            objects.append(str(folder / source.with_suffix(".o").as_posix().replace("/", "_")))
            if source.suffix == ".cu":
                command = [NVCC, *common, *cuda]
            else:
                variant = VARIANTS.get(source.stem.removeprefix("variant_"), [])
                command = [*COMPILER, *common, *host, *told, *variant]
            jobs.append([*command, "-c", str(source), "-o", objects[-1]])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            runs = list(pool.map(self.compiled, jobs))
        if any(run.returncode for run in runs):
            sys.exit(
                "nvc3d: the compiled operators did not compile; see the compiler's message above"
                + (" (NVC3D_CUDA=0 leaves the CUDA kernels out)" if NVCC else "")
            )
        target = Path(self.get_ext_fullpath(extension.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        # torch's own libraries are in the process before this one: no path to them is kept.
        link = [*COMPILER, "-shared", *os.environ.get("LDFLAGS", "").split(), *objects]
        link += ["-o", str(target), f"-L{torch / 'lib'}"]
        if NVCC:
            # It adds CUDA's runtime, as a static library: nothing of CUDA is needed to load ours.
            link[: len(COMPILER)] = [NVCC, "-cudart=static"]
        if sys.platform != "darwin":
            # What comes from static libraries is this library's own.
            for option in ("--no-as-needed", "--exclude-libs=ALL"):
                link.append(f"-Xlinker={option}" if NVCC else f"-Wl,{option}")
            # Before torch, which has copies of some of its functions, without their versions.
            link.append("-lstdc++")
        link += ["-ltorch", "-ltorch_cpu", "-lc10"]
        if subprocess.run(self.shown(link), check=False).returncode:
            sys.exit("nvc3d: the compiled operators did not link; see the linker's message above")

    def compiled(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a compiler; what those side by side have to say stays in one piece each."""
        run = subprocess.run(self.shown(command), stderr=subprocess.PIPE, text=True, check=False)
        sys.stderr.write(run.stderr)
        sys.stderr.flush()
        return run

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
    endings = [".cpp", ".cu"] if NVCC else [".cpp"]
    found = (path for ending in endings for path in (ROOT / "csrc").glob(f"**/*{ending}"))
    files = sorted(path.relative_to(ROOT) for path in found)
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
