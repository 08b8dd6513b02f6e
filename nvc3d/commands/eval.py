"""`nvc3d eval`: measure a trained model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from nvc3d.commands.arguments import parser


def main(arguments: Sequence[str]) -> int:
    """Print the metrics of a checkpoint."""
    options = parser("eval", "Measure a trained model on shapes that it was not trained on.")
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--data",
        type=Path,
        help="folder of shapes, all of which are measured; without it, or with the folder that "
        "the model was trained on: those shapes that were kept out of training",
    )
    options.add_argument("--json", action="store_true", help="print JSON instead of tables")
    given = options.parse_args(arguments)

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import load_run
    from nvc3d.commands.results import print_tables
    from nvc3d.train import evaluation_batches

    run, model = load_run(given.checkpoint)
    config = run.config
    if given.data is not None and not (
        config.data is not None and given.data.resolve() == Path(config.data).resolve()
    ):
        config = dataclasses.replace(config, data=str(given.data), holdout=1.0)
    splits = run.task.data(config)
    if len(splits.val) == 0:  # type: ignore[arg-type]
        raise ValueError("there is nothing to measure: no shapes were kept out of training")
    batches = evaluation_batches(splits.val, run.training)
    tables = run.task.metrics(model, batches, splits.categories)
    if given.json:
        print(json.dumps(tables, indent=2))
    else:
        print_tables(tables)
    return 0
