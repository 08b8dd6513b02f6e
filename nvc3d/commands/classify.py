"""`nvc3d classify`: the category of each shape or image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nvc3d.commands.arguments import parser
from nvc3d.commands.saying import shown
from nvc3d.commands.targets import named, with_end

END = "-class.json"
TASKS = ("classification", "images")


def main(arguments: Sequence[str]) -> int:
    """Classify files; one that cannot be read does not stop the others."""
    options = parser("classify", "Tell the category of shapes or images.")
    options.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="mesh, cloud or image, or a folder of such",
    )
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--output",
        type=Path,
        help="folder for NAME-class.json of each file, with the probability of every category",
    )
    options.add_argument("--seed", type=int, default=0, help="of the points drawn (default: 0)")
    given = options.parse_args(arguments)
    if given.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {given.seed}")

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import load_config
    from nvc3d.commands.each import each_file
    from nvc3d.files import read_shape
    from nvc3d.loaded import load

    task = load_config(given.checkpoint).task
    if task.name not in TASKS:
        raise ValueError(
            f"{given.checkpoint} holds a model of task {task.name}, not of {' or '.join(TASKS)}"
        )
    targets = _targets(given.files, given.output, task.suffixes)
    model = load(given.checkpoint)
    network: Any = model.network
    width = max(map(len, network.categories))

    def work(file: Path, target: Path) -> str:
        found = model(read_shape(file) if task.of_shapes else file, seed=given.seed)
        if given.output is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            found.write(target)
        return f"{found.category:{width}}  {100 * found.confidence:5.1f} %  {shown(file)}"

    each_file(targets, work, "classified")
    return 0


def _targets(
    given: Sequence[Path], output: Path | None, suffixes: Sequence[str] | None
) -> dict[Path, Path]:
    """What is written of each file, where anything is."""
    from nvc3d.files import find_shapes

    find = partial(find_shapes, suffixes=suffixes)
    kind = "cloud or mesh" if suffixes is None else "image"
    written = output is not None
    targets = named(given, output or Path(), find, [END], written=written, kind=kind)
    return {file: with_end(target, END) for file, target in targets.items()}
