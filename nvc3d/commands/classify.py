"""`nvc3d classify`: the category of each shape, image or text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nvc3d.commands.arguments import parser
from nvc3d.commands.saying import shown
from nvc3d.commands.targets import named, with_end
from nvc3d.commands.texts import lines

END = "-class.json"
TASKS = ("classification", "images", "topics")


def main(arguments: Sequence[str]) -> int:
    """Classify files, of which one that cannot be read does not stop the others, or texts."""
    options = parser("classify", "Tell the category of shapes, images or texts.")
    options.add_argument(
        "files",
        nargs="+",
        metavar="FILE|TEXT",
        help="mesh, cloud or image, or a folder of such; for a model of texts a sentence, a file "
        "of a text a line, or -: standard input",
    )
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--output",
        type=Path,
        help="folder for NAME-class.json of each file but texts, with the probability of every "
        "category",
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
    if task.name == "topics":
        return _texts(given.files, given.checkpoint, given.output)
    targets = _targets([*map(Path, given.files)], given.output, task.suffixes)
    model = load(given.checkpoint)
    network: Any = model.network
    width = max(map(len, network.categories))

    def work(file: Path, target: Path) -> str:
        found = model(read_shape(file) if task.of_shapes else file, seed=given.seed)
        if given.output is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            found.write(target)
        return _told(found, width, file)

    each_file(targets, work, "classified")
    return 0


def _told(found: Any, width: int, what: str | Path) -> str:
    return f"{found.category:{width}}  {100 * found.confidence:5.1f} %  {shown(what)}"


def _texts(words: Sequence[str], checkpoint: Path, output: Path | None) -> int:
    """Classify texts: a line for a line, an empty one for an empty one."""
    from nvc3d.loaded import load

    if output is not None:
        raise ValueError("--output is for shapes and images: what is told of texts is printed")
    # As where they are learned from: what stands before a tab is a label.
    texts = [line.split("\t", 1)[-1].strip() for line in lines(words)]
    model = load(checkpoint)
    found = iter(model([text for text in texts if text]))
    network: Any = model.network
    width = max(map(len, network.categories))
    for text in texts:
        print(_told(next(found), width, text) if text else "")
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
