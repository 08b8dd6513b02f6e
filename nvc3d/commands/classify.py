"""`nvc3d classify`: the category of each shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nvc3d.commands.arguments import parser
from nvc3d.commands.saying import shown
from nvc3d.commands.targets import named, with_end

END = "-class.json"


def main(arguments: Sequence[str]) -> int:
    """Classify files; one that cannot be read does not stop the others."""
    options = parser("classify", "Tell the category of shapes.")
    options.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="mesh or cloud, or a folder of such"
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
    from nvc3d.commands.each import each_file
    from nvc3d.files import read_shape
    from nvc3d.loaded import load

    targets = _targets(given.files, given.output)
    model = load(given.checkpoint)
    if model.task.name != "classification":
        raise ValueError(
            f"{given.checkpoint} holds a model of task {model.task.name}, not of classification"
        )
    width = max(len(name) for name in model.vocabulary.groups)

    def work(file: Path, target: Path) -> str:
        found = model(read_shape(file), seed=given.seed)
        if given.output is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            found.write(target)
        return f"{found.category:{width}}  {100 * found.confidence:5.1f} %  {shown(file)}"

    each_file(targets, work, "classified")
    return 0


def _targets(given: Sequence[Path], output: Path | None) -> dict[Path, Path]:
    """What is written of each file, where anything is."""
    from nvc3d.files import find_shapes

    targets = named(given, output or Path(), find_shapes, [END], written=output is not None)
    return {file: with_end(target, END) for file, target in targets.items()}
