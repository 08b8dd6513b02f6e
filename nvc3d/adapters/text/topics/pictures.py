"""What a model of topics does, to look at."""

from __future__ import annotations

from pathlib import Path

from nvc3d.adapters.text.topics.metrics import Found
from nvc3d.adapters.text.topics.model import TopicsModel
from nvc3d.metrics import Confusion
from nvc3d.tasks.task import Picture
from nvc3d.viz import draw_confusion

MOST = 5000
"""Codes on a map."""


def pictures(model: TopicsModel, found: Found, folder: Path) -> list[Picture]:
    """Draw `latents.png`, the map of the codes with the anchors, and, where there is a classifier,
    `confusion.png`, which label is taken for which; nothing of texts without labels.

    Raises OSError where a file cannot be written.
    """
    known = found.codes.owner >= 0
    groups = model.vocabulary.groups
    if not bool(known.any()) or not groups:
        return []
    drawn = [found.codes.draw(model, groups, folder / "latents.png", MOST)]
    if found.prediction is not None:
        confusion = Confusion(len(groups))
        confusion.add(found.prediction[known], found.codes.owner[known])
        path = draw_confusion(folder / "confusion.png", confusion.counts, groups)
        drawn.append(Picture(path, "Which label (rows) is taken for which (columns)."))
    return drawn
