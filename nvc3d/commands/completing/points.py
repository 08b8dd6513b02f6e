"""Completing a file with a model of clouds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nvc3d.checkpoint import Run
from nvc3d.commands.completing import Output
from nvc3d.commands.saying import shown
from nvc3d.files import read_shape
from nvc3d.files.fitting import write_columns
from nvc3d.geometry.mesh import Cloud
from nvc3d.tasks.completion import CompletionModel
from nvc3d.tasks.completion.answer import Answers, complete


def complete_file(run: Run, model: CompletionModel, source: Path, seed: int, count: int) -> Answers:
    """What the model makes of a file; raises what `read_shape` and `complete` raise."""
    return complete(model, read_shape(source), run.config.input_points, seed, count)


def write(answers: Answers, source: Path, output: Output, only_missing: bool) -> str:
    """Write the answers, and a picture if they are several; says so in a sentence.

    Raises what `write_cloud` and `draw_clouds` raise.
    """
    lost: tuple[str, ...] = ()
    for index, target in enumerate(output.answers):
        cloud = Cloud(answers.laid[index]) if only_missing else answers.completed(index)
        lost = write_columns(target, cloud)
    size, first, last = len(cloud), output.answers[0], output.answers[-1]
    more = f"; {first.suffix} has no place for {', '.join(lost)}" if lost else ""
    more += ", after a turn to the axes of the training shapes" if answers.turned else ""
    what = "missing points" if only_missing else "points"
    if len(output.answers) == 1:
        return f"{shown(source)}: {size} {what} written to {shown(first)}{more}"

    from nvc3d.viz import draw_clouds

    # From behind and aside, where the answers differ.
    behind = answers.laid[0].mean(0) - answers.seen.mean(0)
    azimuth = float(np.rad2deg(np.arctan2(behind[1], behind[0]))) + 45
    # Not all points of the scan: there may be millions.
    clouds = [answers.seen] + [np.concatenate([answers.seen, laid]) for laid in answers.laid]
    picture = draw_clouds(
        output.picture,
        {"": clouds},
        ["scan", "best guess", *(f"answer {i}" for i in range(2, len(output.answers) + 1))],
        one_scale=True,
        azimuth=azimuth,
    )
    return (
        f"{shown(source)}: {len(output.answers)} answers of {size} {what} written to "
        f"{shown(first)} ... {shown(last.name)}, shown in {shown(picture)}{more}"
    )
