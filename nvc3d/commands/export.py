"""`nvc3d export`: a trained model as a program that runs without nvc3d's Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nvc3d.commands.arguments import parser

ENDS = (".pt2", ".onnx")


def main(arguments: Sequence[str]) -> int:
    """Export a model; prints what goes in and what comes out."""
    options = parser("export", "Write a trained model as a program that runs without Python.")
    options.add_argument("run", type=Path, help="run folder of the model")
    options.add_argument(
        "--output", type=Path, required=True, help="file to write, NAME.pt2 or NAME.onnx"
    )
    options.add_argument(
        "--compiled",
        action="store_true",
        help="into machine code, for C++ (needs a C++ compiler); without, torch.export's program",
    )
    given = options.parse_args(arguments)
    if given.output.suffix not in ENDS:
        raise ValueError(f"--output must end in {' or '.join(ENDS)}, got {given.output}")
    if given.compiled and given.output.suffix != ".pt2":
        raise ValueError(f"--compiled writes a .pt2 file, got {given.output}")

    # Here, so that --help does not wait for torch.
    from nvc3d.export import described, write
    from nvc3d.loaded import load

    model = load(given.run)
    write(model, given.output, compiled=given.compiled)
    about = described(model)
    for name, (kind, *axes) in about["inputs"].items():
        print(f"{name}: {kind} ({', '.join(map(str, axes))})")
    print(f"gives {', '.join(about['outputs'])}")
    return 0
