"""`nvc3d complete`: scans with what they miss, where the scans are."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from nvc3d.commands.arguments import parser

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
        type=Path,
        required=True,
        help="file to write, its format told by its suffix (ply, pcd, npy, npz, xyz, ...); a "
        "folder, for NAME-completed.ply of each file, where there are several, in the sub-folders "
        "that the files lie in",
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
    targets = _targets(given.files, given.output)

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import load_run
    from nvc3d.commands.each import each_file
    from nvc3d.extras import require

    if given.samples > 1:
        require("matplotlib", "to show several answers")
    run, model = load_run(given.checkpoint, task=tuple(MODULES))
    module = import_module(f"nvc3d.commands.completing.{MODULES[run.task.name]}")

    def work(file: Path, target: Path) -> str:
        if given.output.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
        answers = _numbered(target, given.samples)
        said: str = module.complete_file(run, model, file, answers, given.seed)
        return said

    each_file(targets, work, "completed")
    return 0


def _numbered(target: Path, count: int) -> list[Path]:
    """NAME-1, NAME-2, ... of a file to write; itself where there is one."""
    if count == 1:
        return [target]
    return [target.with_stem(f"{target.stem}-{i}") for i in range(1, count + 1)]


def _targets(given: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Where the completion of each file goes. Raises ValueError where two would go to one place, or
    a folder holds no shapes."""
    if len(given) == 1 and not given[0].is_dir() and not output.is_dir():
        return {given[0]: output}

    from nvc3d.files import find_shapes

    if not output.is_dir():
        raise ValueError(
            f"--output must be a folder that exists, for several files or a folder, got {output}"
        )
    targets: dict[Path, Path] = {}
    for path in given:
        files = find_shapes(path) if path.is_dir() else [path]
        if not files:
            raise ValueError(f"{path}: the folder holds no file of a known kind of shape")
        for file in files:
            folder = file.parent.relative_to(path) if path.is_dir() else Path()
            targets[file] = output / folder / f"{file.stem}-completed.ply"
    if len(set(targets.values())) < len(targets):
        raise ValueError("several of the files have the same name: complete them one by one")
    return targets
