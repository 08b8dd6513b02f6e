"""What a model of planes does, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.planes.model import PlanesModel
from nvc3d.tasks.shown import Codes, Few, spread
from nvc3d.tasks.task import Batch, Picture
from nvc3d.viz import draw_clouds

SHOWN = 6
"""Clouds in a picture."""
CODES = 5000
"""Codes of points in the map, at most."""
OF_A_CLOUD = 64
"""Points of a cloud whose codes may be in the map."""


class Shown:
    """What there is to show of a split."""

    def __init__(self, groups: Sequence[str]) -> None:
        self.groups = groups
        self.labels: list[int] = []
        self.points: list[Tensor] = []
        self.rows: dict[str, list[Tensor]] = {"found": [], "truth": [], "anchors": []}
        self.codes, self._few = Codes(), Few(SHOWN)

    def add(self, batch: Batch, found: Sequence[Tensor], code: Code) -> None:
        """Take note of a batch, its planes (N,) each, and its codes."""
        for i in self._few.take(batch["label"]):
            truth = batch["instance"][i].cpu()
            self.labels.append(int(batch["label"][i]))
            self.points.append(batch["points"][i].float().cpu())
            self.rows["found"].append(found[i])
            self.rows["truth"].append(coloured_alike(truth, found[i]))
            self.rows["anchors"].append(code.anchor[i].cpu())
        some = (slice(None), slice(None, None, max(1, code.mean.shape[1] // OF_A_CLOUD)))
        self.codes.add(code.at(some), batch["point_types"][some])


def coloured_alike(truth: Tensor, found: Tensor) -> Tensor:
    """True planes (N,) with the number of the plane that most of their points are found on, where
    no larger one has it."""
    result = torch.full_like(truth, -1)
    taken: set[int] = set()
    after = int(found.max()) + 1
    planes, sizes = truth[truth >= 0].unique(return_counts=True)
    for plane in planes[sizes.argsort(descending=True)].tolist():
        own = truth == plane
        inside = found[own & (found >= 0)]
        number = int(inside.mode().values) if len(inside) else -1
        if number < 0 or number in taken:
            number, after = after, after + 1
        taken.add(number)
        result[own] = number
    return result


def pictures(model: PlanesModel, shown: Shown, folder: Path) -> list[Picture]:
    """Draw `planes.png`, some clouds with the planes found and the true ones, and of a nebula the
    anchors of the points; and `latents.png`, the map of the codes.

    Raises OSError where a file cannot be written.
    """
    chosen = spread(shown.labels, SHOWN)
    names = [name for name in shown.rows if name != "anchors"]
    if isinstance(model.bottleneck, Nebula):
        names.append("anchors")
    path = draw_clouds(
        folder / "planes.png",
        {name: [shown.points[i].numpy() for i in chosen] for name in names},
        [shown.groups[shown.labels[i]] for i in chosen],
        labels={name: [shown.rows[name][i].numpy() for i in chosen] for name in names},
    )
    return [
        Picture(path, "Points with the planes found, and with the true ones."),
        shown.codes.draw(model, model.vocabulary.labels, folder / "latents.png", CODES),
    ]
