"""Times nvc3d's operators beside every installed peer: CPU time, in one run, answers checked.

    python benchmarks/ops.py                      # all rows; takes about 20 minutes
    python benchmarks/ops.py --only knn --quick   # the small rows of one operator
    python benchmarks/ops.py --readme             # also writes the table into README.md

Peers that are not installed are left out and named. The numbers are milliseconds of CPU time of
one call, the least of several, on one thread; `ratio` is the best peer's time over ours; `error`
is ours against float64. Results go to runs/benchmarks/ as JSON and as a log-log plot.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import checking
import torch
import workloads
from peers import CONTENDERS, installed
from timing import cpu_times, machine, sgemm_rate, wall_time
from workloads import clouds

from nvc3d import ops

ROOT = Path(__file__).parents[1]
# Points a cloud above which a contender takes minutes, or more memory than there is.
LIMITS = {
    ("nearest", "torch.cdist"): 4096,
    ("nearest", "PyTorch3D"): 20_000,
    ("chamfer", "PyTorch3D"): 20_000,
    ("knn", "torch.cdist"): 20_000,
    ("knn", "PyTorch3D"): 20_000,
    ("knn", "faiss"): 20_000,
    ("farthest_point_sampling", "PyTorch3D"): 200_000,
    ("farthest_point_sampling", "torch-cluster"): 200_000,
    ("farthest_point_sampling", "Open3D"): 200_000,
}


@dataclass(frozen=True)
class Row:
    """One workload of one operator."""

    operator: str
    name: str
    size: int  # points a cloud
    inputs: Callable[[], tuple[Any, ...]]
    check: Callable[..., float]
    hostile: bool = False


@dataclass
class Result:
    operator: str
    name: str
    size: int
    milliseconds: dict[str, float]
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def best_peer(self) -> tuple[str, float]:
        """The fastest of the peers whose answer is right."""
        right = {
            name: value
            for name, value in self.milliseconds.items()
            if name != "nvc3d" and not self.errors.get(name, 0) > 0.01
        }
        name = min(right, key=right.__getitem__, default="")
        return name, right.get(name, math.nan)

    @property
    def ratio(self) -> float:
        return self.best_peer[1] / self.milliseconds["nvc3d"]


def rows() -> list[Row]:
    table = []
    for kind in (workloads.cube, workloads.torus):
        for batch, size in ((8, 2048), (32, 2048), (4, 16384), (1, 100_000), (1, 1_000_000)):
            name = f"{kind.__name__} {batch}×{size}"

            def pair(kind: Any = kind, batch: int = batch, size: int = size) -> tuple[Any, ...]:
                return clouds(kind, batch, size, 1), clouds(kind, batch, size, 2)

            table.append(Row("nearest", name, size, pair, checking.distances))
            if size <= 100_000:
                table.append(Row("chamfer", name, size, pair, checking.gradient))
    for kind in workloads.HOSTILE:
        for size in (16384, 100_000):

            def pair(kind: Any = kind, size: int = size) -> tuple[Any, ...]:
                return clouds(kind, 1, size, 1), clouds(kind, 1, size, 2)

            name = f"{kind.__name__} {size}"
            table.append(Row("nearest", name, size, pair, checking.distances, hostile=True))
    for batch, size, dim in ((8, 2048, 3), (8, 2048, 64), (1, 100_000, 3)):

        def graph(batch: int = batch, size: int = size, dim: int = dim) -> tuple[Any, ...]:
            points = torch.rand(batch, size, dim, generator=torch.Generator().manual_seed(1))
            return points, 20

        name = f"{batch}×{size}, {dim}-d, k=20"
        table.append(Row("knn", name, size, graph, checking.neighbours))
    for batch, size, k in (
        (8, 2048, 512),
        (8, 16384, 2048),
        (1, 100_000, 4096),
        (1, 1_000_000, 16384),
    ):
        for kind in (workloads.cube, workloads.torus):

            def sample(
                kind: Any = kind, batch: int = batch, size: int = size, k: int = k
            ) -> tuple[Any, ...]:
                return clouds(kind, batch, size, 1), k

            name = f"{kind.__name__} {batch}×{size}→{k}"
            table.append(Row("farthest_point_sampling", name, size, sample, checking.picks))
    for size, dim, count in (
        (4096, 128, 10),
        (65536, 128, 64),
        (262_144, 256, 256),
        (1_000_000, 64, 1024),
    ):

        def latents(size: int = size, dim: int = dim, count: int = count) -> tuple[Any, ...]:
            generator = torch.Generator().manual_seed(1)
            return (
                torch.randn(size, dim, generator=generator),
                torch.randn(count, dim, generator=generator),
            )

        name = f"{size}×{dim}×{count}"
        table.append(Row("assign_anchors", name, size, latents, checking.anchors))
    return table


def run(row: Row, seconds: float) -> Result:
    inputs = row.inputs()
    calls, errors, failed = {}, {}, {}
    for name, (package, prepare) in CONTENDERS[row.operator].items():
        if package is not None and not installed(package):
            continue
        if row.size > LIMITS.get((row.operator, name), row.size):
            continue
        try:
            call = prepare(*inputs)
            errors[name] = row.check(call(), *inputs)
            calls[name] = call
        except Exception as error:  # a peer that fails is reported, and the run goes on
            if name == "nvc3d":
                raise
            failed[name] = f"{type(error).__name__}: {error}"
    for name, reason in failed.items():
        print(f"  {row.name}: {name} failed: {reason}"[:200], file=sys.stderr)
    return Result(row.operator, row.name, row.size, cpu_times(calls, seconds), errors)


def table(results: list[Result]) -> str:
    """Markdown: a table per operator, a row per workload, a column per contender."""
    lines = []
    for operator in dict.fromkeys(result.operator for result in results):
        mine = [result for result in results if result.operator == operator]
        names = [n for n in CONTENDERS[operator] if any(n in r.milliseconds for r in mine)]
        lines += [f"| {operator} | {' | '.join(names)} | ratio | error |"]
        lines += ["|---" + "|---:" * (len(names) + 2) + "|"]
        for result in mine:
            cells = [_cell(result, name) for name in names]
            lines.append(
                f"| {result.name} | {' | '.join(cells)} | **{result.ratio:.1f}** "
                f"| {result.errors['nvc3d']:.0e} |".replace("nan", "–")
            )
        lines.append("")
    return "\n".join(lines)


def _cell(result: Result, name: str) -> str:
    if name not in result.milliseconds:
        return "–"
    value = result.milliseconds[name]
    text = f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
    return text + (" (wrong)" if result.errors.get(name, 0) > 0.01 else "")


def plot(results: list[Result], path: Path) -> None:
    from matplotlib.figure import Figure

    operators = list(dict.fromkeys(result.operator for result in results))
    figure = Figure(figsize=(5 * len(operators), 4), layout="constrained")
    for axes, operator in zip(
        figure.subplots(1, len(operators), squeeze=False)[0], operators, strict=True
    ):
        mine = [r for r in results if r.operator == operator]
        for name in CONTENDERS[operator]:
            points = sorted((r.size, r.milliseconds[name]) for r in mine if name in r.milliseconds)
            if points:
                style = {"color": "black", "linewidth": 2} if name == "nvc3d" else {"alpha": 0.8}
                axes.loglog(*zip(*points, strict=True), "o-", label=name, markersize=3, **style)
        axes.set(title=operator, xlabel="points a cloud", ylabel="CPU ms")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=130)


# --- memory and threads -----------------------------------------------------------------------

MEMORY: dict[str, Callable[[], Callable[[], Any]]] = {
    "nearest, both, 1M": lambda: _prepared("nearest", "cube 1×1000000"),
    "knn, 100k, k=20": lambda: _prepared("knn", "1×100000, 3-d, k=20"),
    "farthest point sampling, 1M": lambda: _prepared(
        "farthest_point_sampling", "cube 1×1000000→16384"
    ),
    "anchors, 1M×64×1024": lambda: _prepared("assign_anchors", "1000000×64×1024"),
}
THREADS = (
    ("nearest", "cube 4×16384"),
    ("nearest", "cube 1×100000"),
    ("knn", "1×100000, 3-d, k=20"),
    ("farthest_point_sampling", "cube 8×16384→2048"),
    ("assign_anchors", "262144×256×256"),
)


def _prepared(operator: str, name: str) -> Callable[[], Any]:
    row = next(r for r in rows() if (r.operator, r.name) == (operator, name))
    return CONTENDERS[operator]["nvc3d"][1](*row.inputs())


def memory_of(name: str) -> None:
    """Prints by how many bytes a call raises the memory of this fresh process at its peak."""
    call = MEMORY[name]()
    # The inputs' own making may have peaked higher: on Linux, 5 sets the peak back to the present.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call()
    print(_status("VmHWM") - before)


def _status(field: str) -> int:
    """A memory figure of this process in bytes."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition(f"{field}:")[2].split()[0])


def memory() -> dict[str, float]:
    """Peak megabytes of each call beside its inputs, its result included."""
    measured = {}
    for name in MEMORY:
        command = [sys.executable, __file__, "--memory-of", name]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        measured[name] = int(output) / 2**20
    return measured


def threads(seconds: float) -> dict[str, float]:
    """How many times faster than one thread two are, by wall clock."""
    speedup = {}
    for operator, name in THREADS:
        call = _prepared(operator, name)
        taken = []
        for count in (1, 2):
            torch.set_num_threads(count)
            call()
            taken.append(wall_time(call, seconds))
        torch.set_num_threads(1)
        speedup[f"{operator}, {name}"] = taken[0] / taken[1]
    return speedup


def assign_rate(results: list[Result]) -> dict[str, float]:
    """Share of the machine's measured sgemm rate that the anchor kernel reaches."""
    peak = sgemm_rate()
    shares = {}
    for result in results:
        if result.operator == "assign_anchors":
            size, dim, count = map(int, result.name.split("×"))
            shares[result.name] = 2 * size * dim * count / result.milliseconds["nvc3d"] / 1e6 / peak
    return shares


def write_readme(text: str) -> None:
    path = ROOT / "README.md"
    begin, end = "<!-- speed: written by benchmarks/ops.py --readme -->", "<!-- /speed -->"
    head, rest = path.read_text().split(begin)
    path.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=list(CONTENDERS), help="one operator")
    parser.add_argument("--quick", action="store_true", help="clouds up to 16,384 points")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each contender")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "benchmarks")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    parser.add_argument("--memory-of", choices=list(MEMORY), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        return memory_of(options.memory_of)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    description = ops.library.describe()
    header = f"{machine()}; {description['isa']} kernels"
    print(header)
    packages = {
        package for group in CONTENDERS.values() for package, _ in group.values() if package
    }
    if missing := sorted(package for package in packages if not installed(package)):
        print("not installed, left out:", ", ".join(missing))
    results = []
    for row in rows():
        if (options.only in (None, row.operator)) and not (options.quick and row.size > 70_000):
            results.append(run(row, options.seconds))
            print(f"  {results[-1].operator} {results[-1].name}: {results[-1].ratio:.1f}× "
                  f"{results[-1].best_peer[0]}", flush=True)  # fmt: skip
    text = table(results)
    print("\n" + text)
    report = {"machine": header, "results": [asdict(result) for result in results]}
    if not options.only and not options.quick:
        report |= {"memory_mb": memory(), "two_threads": threads(options.seconds)}
        report |= {"assign_share_of_sgemm": assign_rate(results)}
        for key in ("memory_mb", "two_threads", "assign_share_of_sgemm"):
            print(key, {name: round(value, 2) for name, value in report[key].items()})
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "ops.json").write_text(json.dumps(report, indent=1))
    plot(results, options.output / "ops.png")
    print("written:", options.output / "ops.json", options.output / "ops.png")
    if options.readme:
        write_readme(f"Milliseconds of CPU time, one thread, {header}:\n\n{text}")
    return None


if __name__ == "__main__":
    main()
