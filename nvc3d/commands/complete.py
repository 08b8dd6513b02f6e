"""`nvc3d complete`: scans with what they miss, where the scans are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nvc3d.commands.arguments import parser

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from nvc3d.data.mesh import Shape


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
    options.add_argument("--seed", type=int, default=0, help="of the points drawn (default: 0)")
    given = options.parse_args(arguments)
    targets = _targets(given.files, given.output)

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import load_run
    from nvc3d.data.files import read_shape, write_cloud
    from nvc3d.extras import require

    tqdm = require("tqdm", "to show progress").tqdm
    run, model = load_run(given.checkpoint, task="completion")
    failed = 0
    for file, target in tqdm(targets.items(), disable=None if len(targets) > 1 else True):
        try:
            points = complete(model, read_shape(file), run.config.input_points, given.seed)
            if given.output.is_dir():
                target.parent.mkdir(parents=True, exist_ok=True)
            write_cloud(target, points)
            tqdm.write(f"{file}: {len(points)} points written to {target}")
        except (OSError, ValueError) as error:
            if len(targets) == 1:
                raise
            failed += 1
            tqdm.write(f"nvc3d: error: {error}", file=sys.stderr)
    if failed:
        raise ValueError(f"{failed} of {len(targets)} files could not be completed")
    return 0


def complete(model: nn.Module, shape: Shape, input_points: int, seed: int) -> NDArray[np.floating]:
    """The completed cloud (N, 3) of a mesh or a cloud, in the coordinates of that.

    It begins with the points that were given, all of them, just as they were; of a mesh, with
    those drawn from it.
    """
    import numpy as np
    import torch

    from nvc3d.data.mesh import Cloud, frame, normalise

    centre, radius = frame(shape)
    seen, _ = normalise(shape).sample(input_points, np.random.default_rng(seed))  # (P, 3)
    with torch.no_grad():
        completed = model(torch.from_numpy(seen)[None]).points[0].double().numpy()  # (N, 3)
    points = completed * radius + centre
    if isinstance(shape, Cloud):
        # The model's answer begins with what it saw.
        points = np.concatenate([shape.points, points[len(seen) :]])
    # float32 would round away the details of a scan in map coordinates.
    far = np.abs(centre).max() > 1000 * radius
    return points if far else points.astype(np.float32)


def _targets(given: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Where the completion of each file goes. Raises ValueError where two would go to one place, or
    a folder holds no shapes."""
    if len(given) == 1 and not given[0].is_dir() and not output.is_dir():
        return {given[0]: output}

    from nvc3d.data.files import find_shapes

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
