"""How well points are labelled: parts of shapes, and things in scenes.

Of parts, the intersection over union (IoU) is that of each shape, averaged over its category's
parts; of scenes, that of all points of a split together, averaged over the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def confined_argmax(scores: Tensor, parts: Sequence[int]) -> Tensor:
    """The best part (..., ) of scores (..., P) among those that a category has.

    Of the two conventions of part segmentation this is the one that is told the category; the
    other is `scores.argmax(-1)`. Raises ValueError on parts out of range.
    """
    own = torch.as_tensor(list(parts), device=scores.device)
    if len(own) == 0 or int(own.min()) < 0 or int(own.max()) >= scores.shape[-1]:
        raise ValueError(f"parts must be from 0 to {scores.shape[-1] - 1}, got {list(parts)}")
    return own[scores[..., own].argmax(-1)]


def part_ious(prediction: Tensor, truth: Tensor, parts: Sequence[int]) -> Tensor:
    """The IoU (P,) float64 of each of a category's P parts in one shape, its labels (N,) given.

    A part that is neither predicted nor there counts as 1, as in the reference code. (Qi, Su, Mo,
    Guibas, "PointNet", CVPR 2017.) Raises ValueError on labels of different shapes, and on a truth
    with parts that are not the category's.
    """
    if prediction.shape != truth.shape or truth.dim() != 1 or len(truth) == 0:
        raise ValueError(
            "prediction and truth must both be (N,), N > 0, "
            f"got {tuple(prediction.shape)} and {tuple(truth.shape)}"
        )
    own = torch.as_tensor(list(parts), device=truth.device)
    if not bool(torch.isin(truth, own).all()):
        odd = sorted(set(truth.unique().tolist()) - set(parts))
        raise ValueError(f"the truth has parts {odd}, the category has {list(parts)}")
    predicted, true = prediction[:, None] == own, truth[:, None] == own  # (N, P)
    both = (predicted & true).sum(0).double()
    either = (predicted | true).sum(0).double()
    return torch.where(either > 0, both / either.clamp_min(1), 1.0)


class PartScores:
    """Collects shapes, and tells their instance and class mIoU and their accuracy.

    Args:
        parts: the labels that each category's parts have, by the category's name.
    """

    def __init__(self, parts: Mapping[str, Sequence[int]]) -> None:
        self.parts = parts
        self._shapes: dict[str, list[float]] = {name: [] for name in parts}
        self._right = self._points = 0

    def add(self, prediction: Tensor, truth: Tensor, category: str) -> float:
        """Take in one shape's labels (N,); gives its mIoU. Raises ValueError as `part_ious` does,
        and on a category unknown."""
        if category not in self.parts:
            raise ValueError(f"category must be one of {', '.join(self.parts)}, got {category!r}")
        iou = float(part_ious(prediction, truth, self.parts[category]).mean())
        self._shapes[category].append(iou)
        self._right += int((prediction == truth).sum())
        self._points += truth.numel()
        return iou

    @property
    def by_category(self) -> dict[str, float]:
        """The mean mIoU of each category's shapes, of those that have any."""
        return {name: sum(ious) / len(ious) for name, ious in self._shapes.items() if ious}

    @property
    def instance_miou(self) -> float:
        """The mean mIoU of all shapes; nan before the first."""
        ious = [iou for shapes in self._shapes.values() for iou in shapes]
        return sum(ious) / len(ious) if ious else float("nan")

    @property
    def class_miou(self) -> float:
        """The mean over categories of their shapes' mean; nan before the first shape."""
        means = list(self.by_category.values())
        return sum(means) / len(means) if means else float("nan")

    @property
    def accuracy(self) -> float:
        """The share of points labelled right; nan before the first shape."""
        return self._right / self._points if self._points else float("nan")


class Confusion:
    """Counts which class was taken for which, over a whole split.

    Args:
        classes: how many there are.
        ignored: a label of the truth whose points do not count, such as -1 or 255.
    """

    def __init__(self, classes: int, ignored: int | None = None) -> None:
        if classes < 1:
            raise ValueError(f"classes must be at least 1, got {classes}")
        self.classes, self.ignored = classes, ignored
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)
        """(truth, prediction)"""

    def add(self, prediction: Tensor, truth: Tensor) -> None:
        """Take in labels of one shape. Raises ValueError on labels out of range."""
        if prediction.shape != truth.shape:
            raise ValueError(
                "prediction and truth must have the same shape, "
                f"got {tuple(prediction.shape)} and {tuple(truth.shape)}"
            )
        real = (
            torch.ones_like(truth, dtype=torch.bool)
            if self.ignored is None
            else (truth != self.ignored)
        )
        rows, columns = truth[real].long().cpu(), prediction[real].long().cpu()
        if rows.numel() == 0:
            return
        for name, labels in (("truth", rows), ("prediction", columns)):
            if int(labels.min()) < 0 or int(labels.max()) >= self.classes:
                raise ValueError(
                    f"the labels of {name} must be from 0 to {self.classes - 1}, "
                    f"got {int(labels.min())} to {int(labels.max())}"
                )
        pairs = rows * self.classes + columns
        self.counts += torch.bincount(pairs, minlength=self.classes**2).view_as(self.counts)

    @property
    def ious(self) -> Tensor:
        """IoU (classes,) float64 of each class; nan of one neither there nor predicted."""
        right = self.counts.diagonal().double()
        either = self.counts.sum(0) + self.counts.sum(1) - self.counts.diagonal()
        return right / either

    @property
    def miou(self) -> float:
        """The mean IoU of the classes that are there or predicted."""
        return float(self.ious.nanmean())

    @property
    def accuracy(self) -> float:
        """The share of points labelled right; nan without points."""
        return float(self.counts.diagonal().sum().double() / self.counts.sum())

    @property
    def mean_accuracy(self) -> float:
        """The mean over classes of the share of their points labelled right."""
        return float((self.counts.diagonal().double() / self.counts.sum(1)).nanmean())

    @property
    def f1(self) -> Tensor:
        """F1 (classes,) float64 of each class, the harmonic mean of its precision and its recall;
        nan of one neither there nor predicted."""
        told = self.counts.sum(0) + self.counts.sum(1)
        return 2 * self.counts.diagonal().double() / told

    @property
    def weighted_f1(self) -> float:
        """The mean F1 of the classes, each as often as it is there; nan without points."""
        there = self.counts.sum(1).double()
        return float((self.f1.nan_to_num(0) * there).sum() / there.sum())
