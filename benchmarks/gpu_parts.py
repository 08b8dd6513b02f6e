"""What is to be learnt on a GPU, in three parts of less than ten minutes each.

    python benchmarks/gpu_parts.py libraries      # before, where nvcc is; needs no GPU
    python benchmarks/gpu_parts.py tests          # does it run here, with the CPU's answers?
    python benchmarks/gpu_parts.py sanitizers     # is it clean under compute-sanitizer?
    python benchmarks/gpu_parts.py speed          # how fast is it, and how fast could it be?
    python benchmarks/gpu_report.py build/gpu/report.json     # writes the tables of the pages

`make gpu` runs the three parts and leaves build/gpu/report.json and report.md. The libraries of
build/gpu are taken where they are: they may have been built elsewhere, against any torch.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from results import read, write

try:
    import torch
except ImportError:
    sys.exit("this needs a torch with CUDA: name the Python that has it, make gpu PYTHON=...")

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "gpu"
PACKAGED = ROOT / "nvc3d" / "_C.abi3.so"
SECONDS = 590  # of a part
# With the small one, small clouds go where only large ones go otherwise.
LIBRARIES = {
    "full": ("75 80 90 100 120", ""),
    "small": ("80 90", "-DNVC3D_TREE_COST=65536 -DNVC3D_MOST_IN_REGISTERS=600"),
}
TESTS = "tests/ops/test_cuda.py"
ON_GPU = "gpu or same_bits or captured"
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")


def libraries() -> None:
    """Builds both libraries; needs nvcc."""
    for name, (architectures, flags) in LIBRARIES.items():
        environment = {**os.environ, "NVC3D_CUDA": "1", "NVCC_APPEND_FLAGS": flags}
        environment.setdefault("NVC3D_CUDA_ARCHITECTURES", architectures)
        to = FOLDER / name
        command = [sys.executable, "setup.py", "--quiet", "build_ext", f"--build-lib={to}"]
        command.append(f"--build-temp={to / 'objects'}")
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        print("built:", to / "nvc3d" / PACKAGED.name)


@contextlib.contextmanager
def packaged(name: str) -> Iterator[None]:
    """One of the libraries in the place of the package's own, until the end."""
    library = FOLDER / name / "nvc3d" / PACKAGED.name
    if not library.exists():
        sys.exit(
            f"{library} is missing: run `python benchmarks/gpu_parts.py libraries` where nvcc is"
        )
    kept = PACKAGED.with_suffix(".kept")
    if PACKAGED.exists():
        PACKAGED.replace(kept)
    shutil.copy(library, PACKAGED)
    try:
        yield
    finally:
        PACKAGED.unlink()
        if kept.exists():
            kept.replace(PACKAGED)


class Clock:
    """What is left of a part's time."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        return max(1.0, self.end - time.monotonic())

    def share(self, of: int) -> float:
        """What one of so many runs that are still to come may take."""
        return self.left() / of


def run_tests(
    seconds: float, name: str, *arguments: str, before: tuple[str, ...] = (), **variables: str
) -> dict[str, Any]:
    """How a run of pytest ended: its counts, and the end of its output where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.xml"
        command = [*before, sys.executable, "-m", "pytest", "-q", f"--junitxml={counts}"]
        started = time.monotonic()
        try:
            done = subprocess.run(
                [*command, *arguments],
                cwd=ROOT,
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
            code, output = done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired as late:
            code, output = -1, f"stopped after {late.timeout:.0f} s"
        result: dict[str, Any] = {"name": name, "seconds": time.monotonic() - started}
        result |= counted(counts) | {"code": code, "output": output[-2000:] if code else ""}
        print(f"{name}: {summary(result)}", flush=True)
        return result


def counted(path: Path) -> dict[str, int]:
    """What pytest's XML says of how many tests did what."""
    if not path.exists():
        return {"passed": 0, "failed": 0, "skipped": 0}
    suites = ElementTree.parse(path).getroot().iter("testsuite")
    total = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in suites:
        for key in total:
            total[key] += int(suite.get(key, 0))
    failed = total["failures"] + total["errors"]
    passed = total["tests"] - failed - total["skipped"]
    return {"passed": passed, "failed": failed, "skipped": total["skipped"]}


def summary(result: dict[str, Any]) -> str:
    text = f"{result['passed']} passed, {result['failed']} failed, {result['skipped']} skipped"
    return text + (f", ended with {result['code']}" if result["code"] else "")


def tests() -> dict[str, Any]:
    """Part 1: the library that serves all GPUs, in the tests."""
    clock = Clock(SECONDS)
    with packaged("full"):
        operators = run_tests(clock.share(2), "operators on the GPU", TESTS, "-k", ON_GPU)
        rest = run_tests(
            clock.share(1), "all other tests of the operators", "tests/ops", "-k", "cuda"
        )
    return {"tests": [operators, rest]}


def sanitizers() -> dict[str, Any]:
    """Part 2: the same cases under each tool of compute-sanitizer, and with filled memory."""
    clock, found = Clock(SECONDS), []
    with packaged("small"):
        filled = run_tests(clock.share(5), "small clouds, memory filled", TESTS, "-k", ON_GPU)
        for left, tool in zip((4, 3, 2, 1), TOOLS, strict=True):
            name = f"compute-sanitizer {tool}"
            if shutil.which("compute-sanitizer") is None:
                found.append({"name": name, "missing": "compute-sanitizer is not on the PATH"})
                continue
            options = (
                "--kernel-regex",
                "kns=nvc3d",
                "--error-exitcode",
                "9",
                "--print-limit",
                "20",
            )
            before = ("compute-sanitizer", f"--tool={tool}", *options)
            # Each tensor its own allocation: bounds are exact.
            found.append(
                run_tests(
                    clock.share(left), name, TESTS, "-k", "gpu", "-x", before=before,
                    PYTORCH_NO_CUDA_MEMORY_CACHING="1",
                )
            )  # fmt: skip
        found.append(same_gradients(20))
    return {"sanitizers": [filled, *found]}


def same_gradients(runs: int) -> dict[str, Any]:
    """Whether gradients have the same bits in every run: one that moves is a race."""
    from nvc3d import ops

    started, first, moved = time.monotonic(), None, 0
    for _ in range(runs):
        torch.manual_seed(0)
        x, y = (torch.rand(2, n, 3).cuda().requires_grad_() for n in (20_000, 500))
        ops.chamfer_distance(x, y).backward()
        assert x.grad is not None and y.grad is not None
        grads = torch.cat([x.grad.flatten(), y.grad.flatten()])
        first = grads if first is None else first
        moved += not torch.equal(first, grads)
    return {
        "name": f"gradients of {runs} runs",
        "seconds": time.monotonic() - started,
        "passed": runs - moved,
        "failed": moved,
        "skipped": 0,
        "code": int(moved > 0),
        "output": "",
    }


def speed() -> dict[str, Any]:
    """Part 3: each row's time on the device, of a call without checks, and of a call as written."""
    clock = Clock(SECONDS)
    with packaged("full"):
        import gpu
        from gpu_report import IN_README
        from ops import run
        from peers import CONTENDERS
        from rows import rows

        roofline, timed = gpu.Roofline(), []
        # What the README shows first, should the time not be enough for all.
        table = {(row.operator, row.name): row for row in rows()}
        for _, row in sorted(table.items(), key=lambda item: item[0] not in IN_README):
            if clock.left() < 30:
                break
            result = run(row, 0.2, roofline)
            given = gpu.moved(row.inputs(), "cuda")
            prepare = CONTENDERS[row.operator]["nvc3d"][1]
            unchecked = prepare(*given, check_finite=False)
            called = result.milliseconds.pop("nvc3d")
            timed.append(
                {
                    "operator": row.operator,
                    "name": row.name,
                    "device": gpu.device_time(unchecked, called),
                    "unchecked": gpu.event_times({"": unchecked}, 0.1)[""],
                    "called": called,
                    "least": roofline(row, row.inputs()),
                    "error": result.errors.pop("nvc3d"),
                    "peers": result.milliseconds,
                    "peer_errors": result.errors,
                }
            )
            print(f"  {row.operator} {row.name}: {timed[-1]['device']:.4g} ms", flush=True)
    timed.sort(key=lambda result: list(table).index((str(result["operator"]), str(result["name"]))))
    return {"rows": timed, "rows_left_out": len(table) - len(timed)}


PARTS = {"tests": tests, "sanitizers": sanitizers, "speed": speed}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("part", choices=["libraries", *PARTS])
    parser.add_argument("--report", type=Path, default=FOLDER / "report.json")
    options = parser.parse_args()
    if options.part == "libraries":
        libraries()
        return
    if not torch.cuda.is_available():
        sys.exit(
            "this needs an NVIDIA GPU and a torch with CUDA; here, torch "
            f"{torch.__version__} finds none"
        )
    warnings.filterwarnings("ignore")
    import gpu
    from gpu_report import markdown

    from nvc3d import __version__

    report = read(options.report) or {}
    report |= {"machine": gpu.machine(), "gpu": torch.cuda.get_device_name(), "nvc3d": __version__}
    report |= PARTS[options.part]()
    write(options.report, report)
    options.report.with_suffix(".md").write_text(markdown(report))
    print("written:", options.report, options.report.with_suffix(".md"))
    if any(test.get("code") for test in report.get(options.part, []) if isinstance(test, dict)):
        sys.exit(1)


if __name__ == "__main__":
    main()
