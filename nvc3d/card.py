"""The card of a model that travels: what it is and what it is worth, by its run's own numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvc3d import __version__
from nvc3d.checkpoint import Run
from nvc3d.tasks.halves import halves

LICENCE = "mit"
"""Of the built-in data, and so of what was learned from them alone."""
UNKNOWN = (
    "Nobody has said under which licence the model is given away; that of its training data may "
    "bind it."
)
_USE = """\
```python
import nvc3d

model = nvc3d.Model.from_pretrained({name!r})  # or the path of this folder
answer = model({argument})
```"""


def card(run: Run, measured: Mapping[str, Any], name: str, licence: str | None = None) -> str:
    """The card of a run as Markdown, with the fields that the Hugging Face Hub reads at its top.

    Args:
        run: whose model it is.
        measured: what its metrics.json holds; empty where it was not measured.
        name: by which the model is loaded.
        licence: an identifier of the hub, as "apache-2.0"; None: that of the built-in data, where
            the model learned from nothing else, or that nobody has told it.
    """
    if licence is None and run.config.data is None:
        licence = LICENCE
    model, data = halves(run.config)
    data.pop("data")
    argument = "points" if run.task.of_shapes else "lines"
    parts = [
        _header(run, licence),
        f"# {run.task.name} with {_article(run.config.bottleneck)}",
        _USE.format(name=name, argument=argument),
        "## What it is worth",
        _worth(run, measured),
        "## How it was trained",
        _trained(run, measured),
        _table("model", model),
        _table("data", data),
        "## Licence",
        UNKNOWN if licence is None else f"{licence}, as its owner says.",
        f"Written by nvc3d {__version__}.",
    ]
    return "\n\n".join(parts) + "\n"


def read_measured(path: Path) -> dict[str, Any]:
    """What a metrics.json holds; empty where it is not there, or is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _header(run: Run, licence: str | None) -> str:
    lines = ["library_name: nvc3d", f"license: {licence or 'unknown'}"]
    lines += ["tags:", "- nvc3d", "- point-cloud", f"- {run.task.name.replace('_', '-')}"]
    return "\n".join(["---", *lines, "---"])


def _article(bottleneck: str) -> str:
    return {"nebula": "a nebula", "vae": "a Gaussian code"}.get(bottleneck, "a plain code")


def _worth(run: Run, measured: Mapping[str, Any]) -> str:
    """The tables of all that was kept out of training: the model's row, and its baselines'."""
    overall = measured.get("overall")
    if not isinstance(overall, dict) or not overall:
        return "It was not measured."
    rows = {str(row): v for row, v in overall.items() if isinstance(v, dict)}
    columns = list(next(iter(rows.values()), {}))
    units = {m.name: f" ({m.unit})" if m.unit else "" for m in run.task.measures}
    table = ["| | " + " | ".join(f"{c}{units.get(c, '')}" for c in columns) + " |"]
    table += ["|---|" + "---:|" * len(columns)]
    for row, values in rows.items():
        table.append(f"| {row} | " + " | ".join(_number(values.get(c)) for c in columns) + " |")
    said = "On what was kept out of training; the first row is the model's, others its baselines'."
    return "\n".join([said, "", *table])


def _trained(run: Run, measured: Mapping[str, Any]) -> str:
    training = run.training
    source = "the data built into nvc3d" if run.config.data is None else "a folder of its owner"
    found = [f"Learned from {source}"]
    if run.config.data is not None and (named := measured.get("data_set")):
        found[0] += f" ({named})"
    splits = measured.get("splits")
    if isinstance(splits, dict):
        counts = ", ".join(f"{count} of {name}" for name, count in splits.items())
        found.append(f"items of the splits: {counts}")
    found.append(f"seed {run.config.seed}")
    steps = measured.get("step", training.steps)
    found.append(f"{steps} steps of batches of {training.batch_size} in {training.precision}")
    found.append(f"learning rate {training.learning_rate:g}")
    return "; ".join(found) + "."


def _table(title: str, values: Mapping[str, Any]) -> str:
    rows = [f"| {name} | {value} |" for name, value in values.items()]
    return "\n".join([f"| {title} | |", "|---|---|", *rows])


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–"
