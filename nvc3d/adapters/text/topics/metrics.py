"""How often labels are told right, how well anchors tell them apart, and what codes tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from nvc3d.adapters.labelled import Told
from nvc3d.adapters.text.topics.model import TopicsModel
from nvc3d.tasks.shown import Codes
from nvc3d.tasks.task import Batch, Measured, evaluating


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
    told = Told(
        tuple(labels) if model.scores is None else model.categories,
        torch.cat(predictions) if predictions else None,
        codes,
        torch.cat(nats) if nats else None,
    )
    everything = torch.ones(count, dtype=torch.bool)
    return Measured({"topics": told.row(model, everything, anchors=True)}, shown=told)
