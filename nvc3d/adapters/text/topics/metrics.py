"""How often labels are told right, how well anchors tell them apart, and what codes tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.adapters.labelled import hits
from nvc3d.adapters.text.topics.model import TopicsModel
from nvc3d.metrics import clusters
from nvc3d.nebula import Nebula
from nvc3d.tasks.shown import Codes
from nvc3d.tasks.task import Batch, Measured, evaluating


class Found(NamedTuple):
    """What a model says of all texts of a split."""

    prediction: Tensor | None  # (B,) int64; None without a classifier
    codes: Codes


def metrics(model: TopicsModel, batches: Iterable[Batch], labels: Sequence[str]) -> Measured:
    """Accuracy and mean class accuracy of a classifier, of the texts with a label; of the anchors
    purity, accuracy under the best pairing (Hungarian) and NMI with the labels (see
    `nvc3d.metrics.clusters`); nats of a text's pieces.

    Raises ValueError where there is nothing to read, or a label that a classifier does not know.
    """
    codes, predictions, nats, count = Codes(), [], [], 0
    own = {name: number for number, name in enumerate(labels)}
    with evaluating(model):
        for batch in batches:
            read = model(model.numbers(batch["text"]))
            if read.scores is None:  # the labels need not be those of training
                truth = torch.tensor([own.get(name, -1) for name in batch["label"]])
            else:
                truth = model.told(batch["label"])
                predictions.append(read.scores.argmax(-1).cpu())
            codes.add(read.code, truth)
            count += len(truth)
            if read.nats is not None:
                nats.append(read.nats.cpu())
    if count == 0:
        raise ValueError("there is nothing to read: the split has no texts")
    truth, row = codes.owner, {}
    known = truth >= 0
    prediction = torch.cat(predictions) if predictions else None
    if prediction is not None and bool(known.any()):
        row = hits(prediction[known], truth[known], len(model.categories))
    if isinstance(model.bottleneck, Nebula) and bool(known.any()):
        row |= clusters(codes.anchor[known], truth[known])
    if nats:
        row["nats"] = float(torch.cat(nats).mean())
    return Measured({"topics": row}, shown=Found(prediction, codes))
