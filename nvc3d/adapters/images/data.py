"""Images with their category, of which some may be learned from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch.utils.data import Dataset, Subset

from nvc3d.adapters.images.config import ImagesConfig
from nvc3d.adapters.images.sets import Images, images_in
from nvc3d.data.few_labels import choose, repeated
from nvc3d.tasks.task import Splits
from nvc3d.tasks.vocabulary import Vocabulary

SHARE = 1 / 25
"""Least share of the items of an epoch that have a label that is used. More would draw anchors to
the few images that are labelled."""


def data(config: ImagesConfig) -> Splits:
    """The images to train on and those to measure on.

    Raises ValueError or FileNotFoundError where there are none that can be used, or nothing to
    learn of them.
    """
    train, test = images_in(config.data, config.size, config.holdout, config.seed)
    val = LabelledImages(test, range(len(test)))
    known = test if train is None else train
    vocabulary = Vocabulary(known.categories, image=known.shape)
    if train is None:
        return Splits(Subset(val, []), val, vocabulary)
    labels = [train.label(i) for i in range(len(train))]
    images = LabelledImages(train, choose(labels, config.labelled, config.seed))
    where = config.data or "the digits"
    if not images.labelled and config.reconstruct == 0:
        raise ValueError(
            f"{where}: no label is used, so images must be decoded: --reconstruct 0.01"
        )
    if len({labels[i] for i in images.labelled}) == 1:
        raise ValueError(
            f"{where}: there must be two categories at least, each a sub-folder, or --labelled 0, "
            f"got only {train.categories[0]}"
        )
    return Splits(images, val, vocabulary)


class LabelledImages(Dataset[dict[str, Any]]):
    """An image for each item; the labelled ones, where they are few, come several times."""

    def __init__(self, images: Images, labelled: Collection[int]) -> None:
        self.images, self.labelled = images, frozenset(labelled)
        self._items = repeated(len(images), self.labelled, SHARE)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as a dict of

        - image: (C, H, W) uint8, an array,
        - label: int, -1 where there is none,
        - labelled: bool, whether the label may be learned from,
        - name: str.
        """
        which = self._items[index]
        pixels, label, name = self.images[which]
        # What stands in for a broken file may have a label that is not to be known.
        labelled = which in self.labelled and label == self.images.label(which) and label >= 0
        return {"image": pixels, "label": label, "labelled": labelled, "name": name}
