"""Whether the nebula ever collapses: random configurations, each trained for a short while.

    python benchmarks/nebula_robustness.py                       # 200 of them, about ten minutes
    python benchmarks/nebula_robustness.py --count 20 --seed 7
    python benchmarks/nebula_robustness.py --only 13 --verbose   # one of them again

Learning rate 1e-4 to 1e-2, batch 2 to 4,096, 2 to 512 dimensions, 1 to 512 anchors, inputs scaled
by 1e-3 to 1e3, float32 or bfloat16 autocast, with and without metric learning. What is refuted by
one counterexample: no NaN or inf in losses, parameters and codes; no divergence (the error does
not end ten times above where it began); two anchors never in one place; and at least 90 % of the
anchors in use, on the latents last seen and, in evaluation after the last step, on all data, both
where there are at least 20 of them for each anchor. Exits with 1 if one fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nvc3d import Nebula

STEPS = 80
POINTS = 20 * 512
INPUTS = 12


def configuration(number: int, seed: int) -> dict[str, Any]:
    """The settings of one of the trials; sizes and rates are drawn evenly in their logarithm."""
    generator = torch.Generator().manual_seed(seed * 100_003 + number)

    def between(low: float, high: float) -> float:
        return float(low * (high / low) ** torch.rand((), generator=generator, dtype=torch.float64))

    def coin() -> bool:
        return bool(torch.rand((), generator=generator) < 0.5)

    return {
        "rate": between(1e-4, 1e-2),
        "batch": round(between(2, 4096)),
        "dim": round(between(2, 512)),
        "anchors": round(between(1, 512)),
        "scale": between(1e-3, 1e3),
        "bfloat16": coin(),
        "metric": coin(),
    }


def samples(scale: float, seed: int) -> Tensor:
    """(POINTS, INPUTS) in forty groups, times `scale`."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(40, INPUTS, generator=generator)
    group = torch.randint(40, (POINTS,), generator=generator)
    return scale * (centres[group] + 0.4 * torch.randn(POINTS, INPUTS, generator=generator))


def trial(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """What became of one configuration; `failures` names what went wrong."""
    torch.manual_seed(seed)
    anchors, batch = settings["anchors"], settings["batch"]
    encoder = nn.Sequential(nn.Linear(INPUTS, 64), nn.ReLU(), nn.Linear(64, settings["dim"]))
    nebula = Nebula(settings["dim"], anchors, metric_weight=float(settings["metric"]))
    decoder = nn.Sequential(nn.Linear(nebula.embedding_dim, 64), nn.ReLU(), nn.Linear(64, INPUTS))
    model = nn.ModuleList([encoder, nebula, decoder])
    optimiser = torch.optim.Adam(model.parameters(), settings["rate"])
    data = samples(settings["scale"], seed)
    errors = []
    finite = True
    for _ in range(STEPS):
        x = data[torch.randint(POINTS, (batch,))]
        with torch.autocast("cpu", torch.bfloat16, enabled=settings["bfloat16"]):
            code = nebula(encoder(x))
            error = (decoder(code.embedding) - x).square().mean()
        losses = nebula.losses(code)
        optimiser.zero_grad()
        (error + losses.total).backward()
        optimiser.step()
        errors.append(error.item())
        finite &= bool(torch.stack([error, *losses]).isfinite().all())
    finite &= all(bool(p.isfinite().all()) for p in model.parameters())
    state = nebula.diagnostics()
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=settings["bfloat16"]):
        code = nebula(encoder(data))
    finite &= bool(code.embedding.isfinite().all())
    alive = len(code.anchor.unique())
    last = sum(errors[-8:]) / 8
    failures = []
    if not finite:
        failures.append("NaN")
    if last > 10 * max(errors[0], float(data.var())):
        failures.append("diverged")
    if state.least_distance <= 0 or nebula.diagnostics().least_distance <= 0:
        failures.append("anchors coincide")
    if STEPS * batch >= 20 * anchors and state.used < 0.9 * anchors:
        failures.append("idle in training")
    if alive < 0.9 * anchors:
        failures.append("idle in evaluation")
    return {
        **settings,
        "error": [errors[0], last],
        "used": state.used,
        "alive": alive,
        "scale": state.scale,
        "awake": state.awake,
        "failures": failures,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200, help="how many configurations")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--only", type=int, help="number of a single one")
    parser.add_argument("--verbose", action="store_true", help="show all, not failures alone")
    parser.add_argument("--output", type=Path, help="JSON file of all results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    numbers = range(options.count) if options.only is None else [options.only]
    results, start = [], time.perf_counter()
    for number in numbers:
        found = trial(configuration(number, options.seed), number)
        results.append({"number": number, **found})
        if found["failures"] or options.verbose:
            cells = "  ".join(
                f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
                for key, value in results[-1].items()
            )
            print(cells, flush=True)
    if options.output:
        options.output.write_text(json.dumps(results, indent=1))
    failed = [found for found in results if found["failures"]]
    seconds = time.perf_counter() - start
    print(f"{len(results) - len(failed)} of {len(results)} without a failure, {seconds:.0f} s")
    kinds = sorted({kind for found in failed for kind in found["failures"]})
    for kind in kinds:
        print(f"  {kind}: {sum(kind in found['failures'] for found in failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
