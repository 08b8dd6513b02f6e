"""What a completion model does, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from nvc3d.nebula import Code
from nvc3d.tasks.completion.model import CompletionModel
from nvc3d.tasks.shown import Codes, Few, spread
from nvc3d.tasks.task import Batch, Picture
from nvc3d.viz import draw_clouds

SHOWN = 8
"""Shapes in the picture of completions."""


class Shown:
    """What there is to show of a split."""

    def __init__(self, categories: Sequence[str]) -> None:
        self.categories = categories
        self.labels: list[int] = []
        self.clouds: dict[str, list[Tensor]] = {"partial": [], "completed": [], "truth": []}
        self.codes, self._few = Codes(), Few(SHOWN)

    def add(self, batch: Batch, completed: Tensor, code: Code) -> None:
        """Take note of a batch, its completions (B, N, 3) and their codes."""
        kept = self._few.take(batch["label"])
        rows = (batch["partial"], completed, batch["complete"])
        for name, clouds in zip(self.clouds, rows, strict=True):
            self.clouds[name].extend(clouds[kept].float().cpu())
        self.labels += batch["label"][kept].tolist()
        self.codes.add(code, batch["label"])


def pictures(model: CompletionModel, shown: Shown, folder: Path) -> list[Picture]:
    """Draw `completions.png`, some shapes partial, completed and true, and `latents.png`, the map
    of all codes with the anchors.

    Raises OSError where a file cannot be written.
    """
    chosen = spread(shown.labels, SHOWN)
    path = draw_clouds(
        folder / "completions.png",
        {name: [row[i].numpy() for i in chosen] for name, row in shown.clouds.items()},
        [shown.categories[shown.labels[i]] for i in chosen],
    )
    return [
        Picture(path, "Shapes as they were seen, as they were completed, and as they are."),
        shown.codes.draw(model, shown.categories, folder / "latents.png"),
    ]
