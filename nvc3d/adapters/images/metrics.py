"""How often categories are told right, how well anchors tell them apart, and what is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.adapters.images.loss import nats
from nvc3d.adapters.images.model import ImagesModel
from nvc3d.adapters.labelled import MEASURES, hits
from nvc3d.metrics import clusters
from nvc3d.nebula import Nebula
from nvc3d.tasks.shown import Codes, Few
from nvc3d.tasks.task import Batch, Measured, evaluating

SHOWN = 3
"""Images of each category that are kept to be drawn."""


class Found(NamedTuple):
    """What a model says of all images of a split; labels are indices into `groups`."""

    prediction: Tensor | None  # (B,) int64; None without a classifier
    codes: Codes
    nats: Tensor | None  # (B,); None without a decoder
    groups: tuple[str, ...]
    image: Tensor  # (S, C, H, W), 0 to 1: some of the images
    decoded: Tensor | None  # (S, C, H, W), 0 to 1: as decoded


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
    parts: dict[str, list[Tensor]] = {"prediction": [], "nats": [], "image": [], "decoded": []}
    with evaluating(model) as device:
        for batch in batches:
            seen = model(batch["image"].to(device))
            truth = renamed[batch["label"].cpu()]
            codes.add(seen.code, truth)
            shown = few.take(truth)
            parts["image"].append(seen.image[shown].cpu())
            if seen.scores is not None:
                parts["prediction"].append(seen.scores.argmax(-1).cpu())
            if seen.decoded is not None:
                parts["nats"].append(nats(seen.decoded, seen.image).cpu())
                parts["decoded"].append(seen.decoded[shown].sigmoid().cpu())
    if not parts["image"]:
        raise ValueError("there is nothing to look at: the split has no images")
    whole = {name: torch.cat(part) if part else None for name, part in parts.items()}
    return Found(codes=codes, groups=own, **whole)  # type: ignore[arg-type]


def metrics(model: ImagesModel, batches: Iterable[Batch], categories: Sequence[str]) -> Measured:
    """Of all images and of each category's: accuracy and mean class accuracy of a classifier; of
    the anchors purity, accuracy under the best pairing of each category with one anchor (Hungarian)
    and normalised mutual information (NMI) with the categories; nats of an image as decoded.

    Purity is the accuracy where each anchor says what most of the images measured are that it is
    the nearest to. Raises ValueError as `find` does.
    """
    found = find(model, batches, categories)
    truth = found.codes.owner

    def table(chosen: Tensor) -> dict[str, float]:
        values: dict[str, float] = {}
        known = chosen & (truth >= 0)
        if found.prediction is not None and bool(known.any()):
            values = hits(found.prediction[known], truth[known], len(found.groups))
        if found.nats is not None:
            values["nats"] = float(found.nats[chosen].mean())
        return values

    everything = torch.ones_like(truth, dtype=torch.bool)
    overall = table(everything)
    known = truth >= 0
    if isinstance(model.bottleneck, Nebula) and bool(known.any()):
        overall |= clusters(found.codes.anchor[known], truth[known])
    own = [measure.name for measure in MEASURES if measure.name in overall]
    by = {
        name: {"images": table(truth == label)}
        for label, name in enumerate(found.groups)
        if bool((truth == label).any())
    }
    return Measured({"images": {name: overall[name] for name in own}}, {"category": by}, found)
