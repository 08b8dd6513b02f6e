"""What a translator does, to look at."""

from __future__ import annotations

from pathlib import Path

from nvc3d.adapters.text.translation.metrics import OWNERS, Translated
from nvc3d.adapters.text.translation.model import TranslationModel
from nvc3d.atomic import atomic_write
from nvc3d.tasks.task import Picture

MOST = 2000
"""Codes in a map."""


def pictures(model: TranslationModel, found: Translated, folder: Path) -> list[Picture]:
    """Draw `latents.png`, the map of all codes with the anchors, if there are any; and write
    `translations.tsv`: what was translated, its reference, and the translation.

    Raises OSError where a file cannot be written.
    """
    with atomic_write(folder / "translations.tsv") as file:
        for one, reference in zip(found.said, found.references, strict=True):
            file.write(f"{one.source}\t{reference}\t{one.text}\n".encode())
    if found.codes is None:
        return []
    names = OWNERS[model.kind]
    return [found.codes.draw(model, names, folder / "latents.png", MOST)]
