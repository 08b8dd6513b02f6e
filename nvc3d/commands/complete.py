"""`nvc3d complete`: scans with what they miss, where the scans are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from nvc3d.commands.arguments import parser
from nvc3d.commands.completing import Output
from nvc3d.commands.saying import shown
from nvc3d.commands.targets import check_kept, named, with_end

# The modules of nvc3d.commands.completing, by the task of the model.
MODULES = {"completion": "points", "voxel_completion": "voxels"}


def main(arguments: Sequence[str]) -> int:
    """Complete files; one that cannot be read does not stop the others."""
    options = parser("complete", "Complete scans: meshes or clouds of which a part is missing.")
    options.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="mesh or cloud, or a folder of such"
    )
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--output",
        required=True,
        help="file to write, its format told by its suffix (ply, pcd, npy, npz, xyz, ...); or a "
        "folder, which is made if need be, for NAME-completed.ply of each file, in the sub-folders "
        "that the files lie in",
    )
    options.add_argument(
        "--only-missing",
        action="store_true",
        help="write only what was laid, without the scan",
    )
    options.add_argument(
        "--samples",
        type=int,
        default=1,
        metavar="K",
        help="write K plausible answers, the best guess first, to numbered files, and show them "
        "in NAME-samples.png (default: 1)",
    )
    options.add_argument(
        "--seed", type=int, default=0, help="of the points and the answers drawn (default: 0)"
    )
    given = options.parse_args(arguments)
    if given.samples < 1:
        raise ValueError(f"--samples must be at least 1, got {given.samples}")
    if given.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {given.seed}")

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import load_run
    from nvc3d.commands.each import each_file
    from nvc3d.extras import require

    into_folder = _is_folder(given.files, given.output)
    outputs = _outputs(given.files, Path(given.output), given.samples, into_folder)
    if given.samples > 1:
        require("matplotlib", "to show several answers")
    run, model = load_run(given.checkpoint, task=tuple(MODULES))
    module = import_module(f"nvc3d.commands.completing.{MODULES[run.task.name]}")

    def work(file: Path, output: Output) -> str:
        answers = module.complete_file(run, model, file, given.seed, given.samples)
        if into_folder:
            output.answers[0].parent.mkdir(parents=True, exist_ok=True)
        said: str = module.write(answers, file, output, given.only_missing)
        return said

    each_file(outputs, work, "completed")
    return 0


def _is_folder(files: Sequence[Path], output: str) -> bool:
    """Whether the output is meant as a folder, by its name if it is not there yet."""
    if Path(output).is_dir() or output.endswith(("/", os.sep)):
        return True
    several = len(files) > 1 or files[0].is_dir()
    if several and Path(output).suffix and not Path(output).exists():
        from nvc3d.files.registry import writable

        if Path(output).suffix.lower() in writable():
            raise ValueError(
                f"--output must be a folder, for several files or a folder, got {shown(output)}"
            )
    return several or not (Path(output).suffix or Path(output).exists())


def _outputs(
    files: Sequence[Path], output: Path, count: int, into_folder: bool
) -> dict[Path, Output]:
    """What is written of each file."""
    from nvc3d.files import find_shapes
    from nvc3d.files.registry import writable
    from nvc3d.files.written import COMPLETED, numbered

    if into_folder:
        end = f"{COMPLETED}.ply"
        ends = [path.name for path in numbered(Path(end), count)]
        targets = named(files, output, find_shapes, ends)
        outputs = {
            file: Output([with_end(target, end) for end in ends], with_end(target, "-samples.png"))
            for file, target in targets.items()
        }
    else:
        if output.suffix.lower() not in writable():
            known = " ".join(writable())
            raise ValueError(f"{output}: cannot write this kind of file, expected one of {known}")
        picture = output.with_name(f"{files[0].stem}-samples.png")
        outputs = {files[0]: Output(numbered(output, count), picture)}
    check_kept(list(outputs), [path for made in outputs.values() for path in made.answers])
    return outputs
