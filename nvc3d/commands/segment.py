"""`nvc3d segment`: which part, or which thing, each point of a file belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nvc3d.commands.arguments import parser
from nvc3d.commands.saying import shown
from nvc3d.commands.targets import named


def main(arguments: Sequence[str]) -> int:
    """Segment files; one that cannot be read does not stop the others."""
    options = parser("segment", "Label the points of shapes, by part, or of scenes, by thing.")
    options.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="cloud, mesh or scene, or a folder"
    )
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder for NAME-segmented.ply, NAME-labels.npy and NAME-segmented.png of each file",
    )
    options.add_argument("--category", help="of the shapes; default: the one that fits best")
    options.add_argument("--seed", type=int, default=0, help="of the points drawn (default: 0)")
    given = options.parse_args(arguments)
    if given.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {given.seed}")

    # Here, so that --help does not wait for torch.
    import numpy as np

    from nvc3d.checkpoint import load_run
    from nvc3d.commands.each import each_file
    from nvc3d.commands.segmenting.write import write_all
    from nvc3d.data.scenes import of_cloud, open_scene
    from nvc3d.extras import require
    from nvc3d.files import read_shape
    from nvc3d.files.written import SEGMENTED
    from nvc3d.tasks.segmentation import SegmentationModel, answer
    from nvc3d.tasks.segmentation.whole import label_scene

    targets = _targets(given.files, given.output)
    require("matplotlib", "to draw what was found")
    run, model = load_run(given.checkpoint, task="segmentation")
    assert isinstance(model, SegmentationModel)
    if given.category is not None and not model.categories:
        raise ValueError("--category is for shapes with parts, and the model is one of scenes")

    def work(file: Path, target: Path) -> str:
        if model.categories:
            found = answer(
                model, run.config, read_shape(file), category=given.category, seed=given.seed
            )
            scene = of_cloud(found.source, file)
            labels = iter([(np.arange(scene.count), found.labels)])
            what = f" as a {found.category}{', which fits best' if found.chosen else ''}"
        else:  # read a stretch at a time: it may be larger than memory
            scene = open_scene(file)
            labels = label_scene(model, run.config, scene, given.seed)
            what = ""
        target.parent.mkdir(parents=True, exist_ok=True)
        counts = write_all(scene, labels, model.vocabulary.labels, target)
        kept = "; its own labels are kept as given_label" if scene.has_labels else ""
        said = f"{shown(file)}: {scene.count} points{what}, written to {shown(target)}"
        said += f"{SEGMENTED}.ply{kept}\n"
        return said + _table(model.vocabulary.labels, counts.tolist())

    each_file(targets, work, "segmented")
    return 0


def _table(names: Sequence[str], counts: Sequence[int]) -> str:
    """The labels that occur, with how many points they have and which share."""
    rows = [(name, count) for name, count in zip(names, counts, strict=True) if count]
    width = max(len(name) for name, _ in rows)
    total = sum(counts)
    return "\n".join(
        f"  {name:{width}}  {count:>10}  {100 * count / total:5.1f} %"
        for name, count in sorted(rows, key=lambda row: -row[1])
    )


def _targets(given: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Where what is found in each file goes, without the end of the names."""
    from nvc3d.data.scenes.own import places
    from nvc3d.files.written import LABELS, SEGMENTED

    def find(folder: Path) -> list[Path]:
        return [place.path for place in places(folder)]

    return named(given, output, find, [f"{SEGMENTED}.ply", f"{LABELS}.npy"])
