"""`nvc3d translate`: a line for a line."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from pathlib import Path

from nvc3d.commands.arguments import parser
from nvc3d.commands.saying import shown
from nvc3d.commands.texts import lines


def main(arguments: Sequence[str]) -> int:
    """Translate sentences, the lines of files, or those of standard input."""
    options = parser("translate", "Translate sentences, or text files line by line.")
    options.add_argument(
        "texts",
        nargs="*",
        metavar="TEXT|FILE",
        help="sentence, or text file, plain or gzip; none, or -: standard input",
    )
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--output", type=Path, help="file to write, gzip if it is called so; without it: printed"
    )
    options.add_argument("--beam", type=int, default=5, help="beginnings followed (default: 5)")
    options.add_argument(
        "--length-penalty",
        type=float,
        default=1.0,
        help="power of the length by which log probabilities are divided (default: 1)",
    )
    given = options.parse_args(arguments)
    if given.beam < 1:
        raise ValueError(f"--beam must be at least 1, got {given.beam}")

    # Here, so that --help does not wait for torch.
    from nvc3d.atomic import atomic_write
    from nvc3d.checkpoint import load_config
    from nvc3d.loaded import load

    task = load_config(given.checkpoint).task
    if task.name != "translation":
        raise ValueError(
            f"{shown(given.checkpoint)} holds a model of task {task.name}, not of translation"
        )
    sources = lines(given.texts or ["-"])
    said = load(given.checkpoint)(sources, beam=given.beam, length_penalty=given.length_penalty)
    data = "".join(f"{one.text}\n" for one in said).encode()
    if given.output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return 0
    with atomic_write(given.output) as file:
        file.write(gzip.compress(data) if given.output.suffix == ".gz" else data)
    print(f"{len(said)} lines translated to {shown(given.output)}")
    return 0
