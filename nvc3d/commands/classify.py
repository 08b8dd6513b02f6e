"""`nvc3d classify`: the category of each shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nvc3d.commands.arguments import parser


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
    if given.output is not None and given.output.exists() and not given.output.is_dir():
        raise ValueError(f"--output must be a folder, got the file {given.output}")
    targets = _targets(given.files, given.output)

    # Here, so that --help does not wait for torch.
    from nvc3d.commands.each import each_file
    from nvc3d.files import read_shape
    from nvc3d.loaded import load

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
        return f"{found.category:{width}}  {100 * found.confidence:5.1f} %  {file}"

    each_file(targets, work, "classified")
    return 0


def _targets(given: Sequence[Path], output: Path | None) -> dict[Path, Path]:
    """Where what is found of each file goes. Raises ValueError where two would go to one place, or
    a folder holds no shapes."""
    from nvc3d.files import find_shapes

    targets: dict[Path, Path] = {}
    for path in given:
        files = find_shapes(path) if path.is_dir() else [path]
        if not files:
            raise ValueError(f"{path}: the folder holds no file of a known kind of shape")
        for file in files:
            folder = file.parent.relative_to(path) if path.is_dir() else Path()
            targets[file] = (output or Path()) / folder / f"{file.stem}-class.json"
    if output is not None and len(set(targets.values())) < len(targets):
        raise ValueError("several of the files have the same name: classify them one by one")
    return targets
