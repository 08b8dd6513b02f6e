"""What a model says of an image."""

from __future__ import annotations

from typing import Any

import torch

from nvc3d.adapters.images.config import ImagesNet
from nvc3d.adapters.images.model import ImagesModel
from nvc3d.adapters.images.reading import as_image, fitted
from nvc3d.tasks.classification.answer import ClassificationAnswer
from nvc3d.tasks.task import evaluating


def answer(
    model: ImagesModel, config: ImagesNet, what: Any, *, seed: int = 0
) -> ClassificationAnswer | list[ClassificationAnswer]:
    """The category of an image (see `as_image`), or those of a list of images; of a model that
    learned without labels the anchor, by the soft assignment. Nothing is drawn, so that the seed
    changes nothing.

    Raises ValueError on what is no image.
    """
    if isinstance(what, list | tuple):
        return [_answer(model, one) for one in what]
    return _answer(model, what)


def _answer(model: ImagesModel, what: Any) -> ClassificationAnswer:
    pixels = torch.from_numpy(fitted(as_image(what), model.image))
    with evaluating(model) as device:
        seen = model(pixels[None].to(device))
    return model.answer(seen.scores, seen.code)
