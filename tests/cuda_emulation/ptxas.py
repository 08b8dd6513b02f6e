"""Whether kernels fit a GPU, by the compiler's own report: `python ptxas.py LOG` (-Xptxas=-v).

None may need more than 48 KB of shared memory, or more registers than a multiprocessor has for the
threads of its block; and none that computes in float may move registers to memory and back.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CUDA = Path(__file__).resolve().parents[2] / "csrc" / "cuda"
SHARED, REGISTERS, MOST_THREADS = 48 << 10, 65536, 1024

_FUNCTION = re.compile(
    r"Compiling entry function '(?P<name>\w+)' for '(?P<architecture>\w+)'\n"
    r"(?:.*\n)??.*Function properties for .*\n"
    r".* (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads\n"
    r".*Used (?P<registers>\d+) registers(?P<rest>.*)"
)


@dataclass(frozen=True)
class Kernel:
    name: str  # as the source has it, with its template arguments
    architecture: str
    registers: int
    shared: int
    spilled: int


def kernels(log: str) -> list[Kernel]:
    """The kernels that a compiler's log tells of."""
    found = list(_FUNCTION.finditer(log))
    names = _demangled([match["name"] for match in found])
    table = []
    for match, name in zip(found, names, strict=True):
        shared = re.search(r"(\d+) bytes smem", match["rest"])
        table.append(
            Kernel(
                name,
                match["architecture"],
                int(match["registers"]),
                int(shared[1]) if shared else 0,
                int(match["stores"]) + int(match["loads"]),
            )
        )
    return table


def _demangled(names: list[str]) -> list[str]:
    run = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    )
    return run.stdout.splitlines()


def launch_bounds(sources: dict[str, str]) -> dict[str, str]:
    """What bounds the threads of a kernel's block, by its name: a number or a template's name."""
    constants = {
        name: value
        for text in sources.values()
        for name, value in re.findall(r"constexpr int (\w+) = (\d+);", text)
    }
    bounds = {}
    for text in sources.values():
        own = constants | dict(re.findall(r"constexpr int (\w+) = (\d+);", text))
        for bound, name in re.findall(
            r"__global__\s+void(?:\s+__launch_bounds__\((\w+)[^)]*\))?\s+(\w+)\(", text
        ):
            # Those without are launched with as many threads as their file says.
            bounds[name] = own.get(bound or "threads", bound)
    return bounds


def threads(kernel: Kernel, bounds: dict[str, str]) -> int:
    """The most threads of a block of this kernel."""
    name = re.match(
        r"(?:void )?(?:[\w:]|\(anonymous namespace\))*?(\w+)(?:<(.*?)>)?\(", kernel.name
    )
    bound = bounds.get(name[1], "") if name else ""
    if bound and not bound.isdigit():  # the first number among the template's arguments
        number = re.search(r"\b(\d+)\b", (name and name[2]) or "")
        bound = number[1] if number else ""
    return int(bound) if bound else MOST_THREADS


def problems(table: list[Kernel], bounds: dict[str, str]) -> list[str]:
    """What does not fit, in sentences."""
    found = []
    for kernel in table:
        where = f"{kernel.name} for {kernel.architecture}"
        ours = "nvc3d::" in kernel.name and "cub::" not in kernel.name
        # CUB bounds the threads of its own kernels, and chooses how many it launches.
        block = threads(kernel, bounds) if ours else 1
        if kernel.shared > SHARED:
            found.append(f"{where} needs {kernel.shared} bytes of shared memory, above {SHARED}")
        # Registers are given out by eights.
        if -(-kernel.registers // 8) * 8 * block > REGISTERS:
            found.append(
                f"{where} needs {kernel.registers} registers in each of {block} threads, above "
                f"{REGISTERS} together"
            )
        if kernel.spilled and ours and "double" not in kernel.name:
            found.append(f"{where} spills registers: {kernel.spilled} bytes stored and loaded")
    return found


def main(log: Path) -> None:
    table = kernels(log.read_text())
    if not table:
        sys.exit(f"{log} tells of no kernels: was it compiled with -Xptxas=-v?")
    sources = {path.name: path.read_text() for path in sorted(CUDA.iterdir())}
    found = problems(table, launch_bounds(sources))
    for sentence in found:
        print(sentence, file=sys.stderr)
    print(
        f"{len(table)} kernels for {', '.join(sorted({k.architecture for k in table}))}: at most "
        f"{max(k.registers for k in table)} registers and {max(k.shared for k in table)} bytes of "
        f"shared memory; {len(found)} do not fit"
    )
    if found:
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
