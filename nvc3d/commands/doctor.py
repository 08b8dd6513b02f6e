"""`nvc3d doctor`: versions, active kernels, and what is missing with the command that adds it."""

from __future__ import annotations

import json
import os
import platform
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nvc3d import __version__
from nvc3d.commands.arguments import parser
from nvc3d.extras import EXTRAS, installed, pip_command


def main(arguments: Sequence[str]) -> int:
    """Print what `examine` finds."""
    options = parser("doctor", "Say what is installed and active, and how to add what is missing.")
    options.add_argument("--json", action="store_true", help="print JSON")
    findings = examine()
    if options.parse_args(arguments).json:
        print(json.dumps(findings, indent=2))
        return 0
    for title, lines in report(findings).items():
        print(title)
        for name, text in lines:
            print(f"  {name:24} {text}")
    return 0


def examine() -> dict[str, Any]:
    """What is installed, which kernels are active, which devices are there."""
    import numpy
    import torch

    from nvc3d.files.registry import by_suffix

    operators = _operators()
    return {
        "nvc3d": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "operators": operators,
        "devices": [
            {
                "name": torch.cuda.get_device_name(i),
                "capability": list(torch.cuda.get_device_capability(i)),
                "kernels": kernels_on(torch.cuda.get_device_capability(i), operators),
            }
            for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
        ],
        "torch_cuda": torch.version.cuda,
        "files": {
            " ".join(kind.suffixes): {"needs": kind.needs, "ready": _ready(kind.needs)}
            for kind in dict.fromkeys(by_suffix().values())
        },
        "extras": {
            extra: {package: _version(package) for package in packages}
            for extra, packages in EXTRAS.items()
        },
    }


def report(findings: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """The findings as titled lines of text."""
    operators = findings["operators"]
    versions = [(name, findings[name]) for name in ("nvc3d", "python", "torch", "numpy")]
    machine = [
        ("platform", f"{findings['platform']}, {findings['cores']} cores"),
        ("torch threads", str(findings["threads"])),
        *((f"cuda:{i}", _gpu(device)) for i, device in enumerate(findings["devices"])),
    ]
    if not findings["devices"]:
        machine.append(("CUDA devices", _no_cuda(findings["torch_cuda"])))
    if operators["compiled"]:
        active = [
            ("compiled library", operators["path"]),
            ("CPU instructions", operators["isa"]),
            ("supported here", ", ".join(operators["available_isas"])),
            ("CUDA kernels", _cuda_kernels(operators)),
            ("CUDA kernels tested", _tested()),
        ]
    else:
        active = [("compiled library", f"not in use: {operators['reason']}")]
    extras = [
        (package, installed or f"missing: {pip_command(package)}")
        for packages in findings["extras"].values()
        for package, installed in packages.items()
    ]
    ready = [name for name, kind in findings["files"].items() if kind["ready"]]
    files = [("read", " ".join(ready))]
    files += [
        (name, f"not read: {kind['needs']} is missing")
        for name, kind in findings["files"].items()
        if not kind["ready"]
    ]
    return {
        "Versions": versions,
        "Machine": machine,
        "Operators": active,
        "Files": files,
        "Extras": extras,
    }


def _operators() -> dict[str, Any]:
    """What `nvc3d.ops.library.describe` says, or why it cannot."""
    with warnings.catch_warnings():
        # The reason for missing kernels is part of the answer; it need not be a warning too.
        warnings.simplefilter("ignore")
        try:
            from nvc3d.ops import library
        except Exception as error:  # finding out what is broken is what this command is for
            return {"compiled": False, "reason": f"nvc3d.ops cannot be imported: {error}"}
    return library.describe()


def _tested() -> str:
    from nvc3d.ops.hardware import RUN_ON

    return f"on {RUN_ON}" if RUN_ON else "emulated on CPUs, not yet run on hardware"


def _cuda_kernels(operators: dict[str, Any]) -> str:
    built = ""
    if operators["cuda_architectures"]:
        names = ", ".join(f"sm_{number}" for number in operators["cuda_architectures"])
        built = f"built with CUDA {operators['cuda_runtime']} for {names} and newer"
    if operators["cuda"]:
        return f"active, {built}; the driver knows CUDA {operators['cuda_driver']}"
    return f"not active: {operators['cuda_obstacle']}" + (f" ({built})" if built else "")


def kernels_on(capability: tuple[int, int], operators: dict[str, Any]) -> str:
    """Whether the CUDA kernels run on a GPU of this capability; if not, why and what to do."""
    if not operators["compiled"] or not operators["cuda"]:
        return f"do not run: {operators.get('cuda_obstacle') or operators['reason']}"
    major, minor = capability
    mine, architectures = major * 10 + minor, operators["cuda_architectures"]
    # Machine code is for one major version, from its minor one on; PTX for all that come later.
    if any(number // 10 == major and number <= mine for number in architectures):
        return "run"
    names = ", ".join(f"sm_{number}" for number in architectures)
    if architectures[-1] > mine:
        return (
            f"do not run: they are built for {names}; install nvc3d from source with "
            f"NVC3D_CUDA_ARCHITECTURES={mine} and nvcc on the PATH"
        )
    runtime, driver = operators["cuda_runtime"], operators["cuda_driver"]
    if _numbers(driver) < _numbers(runtime):
        return (
            f"do not run: the driver must compile them for sm_{mine}, and knows CUDA {driver}, "
            f"which is older than the CUDA {runtime} of this build: update the driver"
        )
    return f"run; at first use the driver compiles them for sm_{mine}, in seconds, and keeps them"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _gpu(device: dict[str, Any]) -> str:
    major, minor = device["capability"]
    return f"{device['name']} (sm_{major}{minor}): the CUDA kernels {device['kernels']}"


def _no_cuda(built_for: str | None) -> str:
    return f"none (torch is built for CUDA {built_for})" if built_for else "none (torch for CPU)"


def _ready(needs: str) -> bool:
    """Whether the packages that a kind of file needs are there."""
    return all(installed(name) for name in needs.replace(",", " ").split())


def _version(package: str) -> str | None:
    """The version of a package, or None where it cannot be imported."""
    if not installed(package):
        return None
    try:
        return version(package)
    except PackageNotFoundError:
        return "installed"
