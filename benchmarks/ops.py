"""Times nvc3d's operators beside every installed peer: CPU time, in one run, answers checked.

    python benchmarks/ops.py                      # all rows; takes about 20 minutes
    python benchmarks/ops.py --only knn --quick   # the small rows of one operator
    python benchmarks/ops.py --page               # also writes docs/speed.md, some in README.md
    python benchmarks/ops.py --device cuda        # on a GPU, with the contenders that run there

Peers that are not installed are left out and named. The numbers are milliseconds of CPU time of
one call, the least of several, on one thread; on a GPU, milliseconds between two events of the
stream. `ratio` is the best peer's time over ours; `error` is ours against float64; `roofline` is
the least time in which a GPU could look at all pairs, over ours: trees may beat it. Results go to
runs/benchmarks/ as JSON and as a log-log plot.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gpu
import resources
import torch
from peers import CONTENDERS, installed
from results import write_between
from rows import LIMITS, Row, rows
from timing import cpu_times, machine

from nvc3d import ops

ROOT = Path(__file__).parents[1]


@dataclass
class Result:
    operator: str
    name: str
    size: int
    milliseconds: dict[str, float]
    errors: dict[str, float] = field(default_factory=dict)
    roofline: float = math.nan

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


def run(row: Row, seconds: float, roofline: gpu.Roofline | None) -> Result:
    """On a GPU where there is a roofline."""
    inputs = row.inputs()
    given = gpu.moved(inputs, "cuda") if roofline else inputs
    calls, errors, failed = {}, {}, {}
    for name, (package, prepare) in CONTENDERS[row.operator].items():
        if package is not None and not installed(package):
            continue
        if roofline and name not in gpu.CONTENDERS:
            continue
        if row.size > LIMITS.get((row.operator, name), row.size):
            continue
        try:
            call = prepare(*given)
            errors[name] = row.check(gpu.moved(call(), "cpu"), *inputs)
            calls[name] = call
        except Exception as error:  # a peer that fails is reported, and the run goes on
            if name == "nvc3d":
                raise
            failed[name] = f"{type(error).__name__}: {error}"
    for name, reason in failed.items():
        print(f"  {row.name}: {name} failed: {reason}"[:200], file=sys.stderr)
    result = Result(row.operator, row.name, row.size, {}, errors)
    if roofline:
        result.milliseconds = gpu.event_times(calls, seconds)
        result.roofline = roofline(row, inputs) / result.milliseconds["nvc3d"]
    else:
        result.milliseconds = cpu_times(calls, seconds)
    return result


def table(results: list[Result]) -> str:
    """Markdown: a table per operator, a row per workload, a column per contender."""
    lines = []
    for operator in dict.fromkeys(result.operator for result in results):
        mine = [result for result in results if result.operator == operator]
        names = [n for n in CONTENDERS[operator] if any(n in r.milliseconds for r in mine)]
        on_gpu = any(not math.isnan(result.roofline) for result in results)
        heads = [operator, *names, "ratio", "error", *(["roofline"] if on_gpu else [])]
        lines += [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
        for result in mine:
            cells = [_cell(result, name) for name in names]
            lines.append(
                f"| {result.name} | {' | '.join(cells)} | **{result.ratio:.1f}** "
                f"| {result.errors['nvc3d']:.0e} |".replace("nan", "–")
                + (f" {result.roofline:.2f} |".replace("nan", "–") if on_gpu else "")
            )
        lines.append("")
    return "\n".join(lines)


IN_README = (
    ("nearest", "cube 8×2048"),
    ("nearest", "torus 1×100000"),
    ("nearest", "cube 1×1000000"),
    ("chamfer", "cube 8×2048"),
    ("knn", "8×2048, 3-d, k=20"),
    ("ball_query", "cube 1×100000, radius 0.05, k=32"),
    ("farthest_point_sampling", "cube 8×2048→512"),
    ("farthest_point_sampling", "cube 1×100000→4096"),
    ("assign_anchors", "65536×128×64"),
    ("assign_anchors", "1000000×64×1024"),
)


def short_table(results: list[Result]) -> str:
    """Markdown: the rows of the README, each beside its best peer."""
    lines = ["| operator | what | nvc3d, ms | best peer, ms | ratio |", "|---|---|---:|---:|---:|"]
    by_name = {(result.operator, result.name): result for result in results}
    for result in (by_name[key] for key in IN_README if key in by_name):
        peer = result.best_peer[0]
        lines.append(
            f"| {result.operator} | {result.name} | {_cell(result, 'nvc3d')} "
            f"| {_cell(result, peer)} ({peer}) | **{result.ratio:.1f}** |"
        )
    return "\n".join(lines) + "\n"


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
        axes.set(title=operator, xlabel="points a cloud", ylabel="ms")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=130)


def own_times(results: list[Result], operator: str) -> dict[str, float]:
    """Our milliseconds by the name of the workload."""
    return {r.name: r.milliseconds["nvc3d"] for r in results if r.operator == operator}


def backward_shares(results: list[Result]) -> dict[str, float]:
    """What Chamfer's backward pass adds to its forward pass, as a share of that."""
    forward, both = own_times(results, "nearest"), own_times(results, "chamfer")
    return {name: both[name] / forward[name] - 1 for name in both if name in forward}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=list(CONTENDERS), help="one operator")
    parser.add_argument("--quick", action="store_true", help="clouds up to 16,384 points")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each contender")
    parser.add_argument("--output", type=Path, default=ROOT / "runs" / "benchmarks")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--page", action="store_true", help="write docs/speed.md, and some rows into README.md"
    )
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    description = ops.library.describe()
    if options.device == "cuda" and not (torch.cuda.is_available() and description["cuda"]):
        parser.error("--device cuda needs a GPU and an nvc3d that was built with nvcc")
    roofline = gpu.Roofline() if options.device == "cuda" else None
    header = gpu.machine() if roofline else f"{machine()}; {description['isa']} kernels"
    print(header)
    packages = {
        package for group in CONTENDERS.values() for package, _ in group.values() if package
    }
    if missing := sorted(package for package in packages if not installed(package)):
        print("not installed, left out:", ", ".join(missing))
    results = []
    for row in rows():
        if (options.only in (None, row.operator)) and not (options.quick and row.size > 70_000):
            results.append(run(row, options.seconds, roofline))
            print(f"  {results[-1].operator} {results[-1].name}: {results[-1].ratio:.1f}× "
                  f"{results[-1].best_peer[0]}", flush=True)  # fmt: skip
    text = table(results)
    print("\n" + text)
    report: dict[str, Any] = {"machine": header, "results": [asdict(result) for result in results]}
    if not options.only and not options.quick and not roofline:
        shares = {
            "memory_mb": resources.memory(),
            "two_threads": resources.threads(options.seconds),
            "assign_share_of_sgemm": resources.assign_shares(own_times(results, "assign_anchors")),
            "backward_share_of_forward": backward_shares(results),
        }
        for key, values in shares.items():
            print(key, {name: round(value, 2) for name, value in values.items()})
        report |= shares
    options.output.mkdir(parents=True, exist_ok=True)
    name = "ops_cuda" if roofline else "ops"
    (options.output / f"{name}.json").write_text(json.dumps(report, indent=1))
    plot(results, options.output / f"{name}.png")
    print("written:", options.output / f"{name}.json", options.output / f"{name}.png")
    if options.page:
        kind = "Milliseconds" if roofline else "Milliseconds of CPU time, one thread"
        write_between(ROOT / "docs" / "speed.md", "speed", f"{kind}, {header}:\n\n{text}")
        write_between(ROOT / "README.md", "speed", short_table(results))


if __name__ == "__main__":
    main()
