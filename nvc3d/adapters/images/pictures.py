"""What a model of images does, to look at."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from nvc3d.adapters.images.metrics import Found
from nvc3d.adapters.images.model import ImagesModel
from nvc3d.adapters.labelled import pictures as of_labels
from nvc3d.nebula import Nebula
from nvc3d.tasks.task import Picture, evaluating
from nvc3d.viz import draw_gallery


def pictures(model: ImagesModel, found: Found, folder: Path) -> list[Picture]:
    """Draw `latents.png`, the map of the codes with the anchors; `confusion.png`, which category is
    taken for which, where there is a classifier; and `anchors.png`, what each anchor decodes to,
    where a nebula's code is decoded.

    Raises OSError where a file cannot be written.
    """
    drawn = of_labels(model, found.told, folder)
    if model.decoder is not None and isinstance(model.bottleneck, Nebula):
        drawn.append(_gallery(model, found.image, folder / "anchors.png"))
    return drawn


def _gallery(model: ImagesModel, images: Tensor, path: Path) -> Picture:
    """What each anchor decodes to, what is drawn around it, and the nearest of some images."""
    assert model.decoder is not None and isinstance(model.bottleneck, Nebula)
    with evaluating(model) as device:
        means = model.bottleneck(model.encoder(images.to(device))).mean

        def decode(code: Tensor) -> Tensor:
            decoded: Tensor = model.decoder(code.to(device)).sigmoid()  # type: ignore[misc]
            return decoded.cpu()

        draw_gallery(path, model.bottleneck, decode, images, means.cpu())
    return Picture(path, "What each anchor decodes to, and the images nearest to it.")
