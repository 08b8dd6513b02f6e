"""`nvc3d complete`: what is missing of a scan, put back where the scan is."""

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
    options.add_argument("files", type=Path, nargs="+", metavar="FILE", help="mesh or cloud")
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--output",
        type=Path,
        required=True,
        help="file to write, its format told by its suffix (ply, pcd, npy, npz, xyz, ...); a "
        "folder, for NAME-completed.ply of each file, where there are several",
    )
    options.add_argument("--seed", type=int, default=0, help="of the points drawn (default: 0)")
    given = options.parse_args(arguments)
    targets = _targets(given.files, given.output)

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import load_run
    from nvc3d.data.files import read_shape, write_cloud

    run, model = load_run(given.checkpoint, task="completion")
    failed = 0
    for file, target in zip(given.files, targets, strict=True):
        try:
            points = complete(model, read_shape(file), run.config.input_points, given.seed)
            write_cloud(target, points)
            print(f"{file}: {len(points)} points written to {target}")
        except (OSError, ValueError) as error:
            if len(given.files) == 1:
                raise
            failed += 1
            print(f"nvc3d: error: {error}", file=sys.stderr)
    if failed:
        raise ValueError(f"{failed} of {len(given.files)} files could not be completed")
    return 0


def complete(model: nn.Module, shape: Shape, input_points: int, seed: int) -> NDArray[np.floating]:
    """The completed cloud (N, 3) of a mesh or a cloud, in the coordinates of that."""
    import numpy as np
    import torch

    from nvc3d.data.mesh import frame, normalise

    centre, radius = frame(shape)
    seen, _ = normalise(shape).sample(input_points, np.random.default_rng(seed))  # (P, 3)
    with torch.no_grad():
        completed = model(torch.from_numpy(seen)[None]).points[0].double().numpy()  # (N, 3)
    points = completed * radius + centre
    # float32 would round away the details of a scan in map coordinates.
    far = np.abs(centre).max() > 1000 * radius
    return points if far else points.astype(np.float32)


def _targets(files: Sequence[Path], output: Path) -> list[Path]:
    """Where the completion of each file goes. Raises ValueError where two would go to one place."""
    if len(files) == 1 and not output.is_dir():
        return [output]
    if not output.is_dir():
        raise ValueError(
            f"--output must be a folder that exists, for {len(files)} files, got {output}"
        )
    targets = [output / f"{file.stem}-completed.ply" for file in files]
    if len(set(targets)) < len(targets):
        raise ValueError("several of the files have the same name: complete them one by one")
    return targets
