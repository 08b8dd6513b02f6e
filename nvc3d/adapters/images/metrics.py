"""How often categories are told right, how well anchors tell them apart, and what is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.adapters.images.loss import nats
from nvc3d.adapters.images.model import ImagesModel
from nvc3d.adapters.labelled import Told
from nvc3d.tasks.shown import Codes, Few
from nvc3d.tasks.task import Batch, Measured, evaluating

SHOWN = 3
"""Images of each category that are kept to be drawn."""


class Found(NamedTuple):
    """What a model says of all images of a split, and some of these."""

    told: Told
    image: Tensor  # (S, C, H, W), 0 to 1


def find(model: ImagesModel, batches: Iterable[Batch], categories: Sequence[str]) -> Found:
    """Look at all images, in evaluation mode; `categories` are those of the batches' labels.

    Raises ValueError where there are no images, or a category that a classifier does not know.
    """
    groups = tuple(categories)
    if model.scores is not None and (unknown := sorted(set(groups) - set(model.categories))):
        raise ValueError(
            f"the model does not know the categories {', '.join(unknown)}; "
            f"it knows {', '.join(model.categories)}"
        )
    own = groups if model.scores is None else model.categories
    renamed = torch.tensor([*(own.index(name) for name in groups), -1])
    codes, few = Codes(), Few(SHOWN)
    predictions, each, images = [], [], []
    with evaluating(model) as device:
        for batch in batches:
            seen = model(batch["image"].to(device))
            truth = renamed[batch["label"].cpu()]
            codes.add(seen.code, truth)
            images.append(seen.image[few.take(truth)].cpu())
            if seen.scores is not None:
                predictions.append(seen.scores.argmax(-1).cpu())
            if seen.decoded is not None:
                each.append(nats(seen.decoded, seen.image).cpu())
    if not images:
        raise ValueError("there is nothing to look at: the split has no images")
    prediction = torch.cat(predictions) if predictions else None
    told = Told(own, prediction, codes, torch.cat(each) if each else None)
    return Found(told, torch.cat(images))


def metrics(model: ImagesModel, batches: Iterable[Batch], categories: Sequence[str]) -> Measured:
    """Of all images and of each category's: accuracy and mean class accuracy of a classifier; of
    the anchors purity, accuracy under the best pairing of each category with one anchor (Hungarian)
    and normalised mutual information (NMI) with the categories; nats of an image as decoded.

    Purity is the accuracy where each anchor says what most of the images measured are that it is
    the nearest to. Raises ValueError as `find` does.
    """
    found = find(model, batches, categories)
    told = found.told
    truth = told.codes.owner
    everything = torch.ones_like(truth, dtype=torch.bool)
    by = {
        name: {"images": told.row(model, truth == label, anchors=False)}
        for label, name in enumerate(told.groups)
        if bool((truth == label).any())
    }
    overall = told.row(model, everything, anchors=True)
    return Measured({"images": overall}, {"category": by}, found)
