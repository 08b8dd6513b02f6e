"""How well planes are told apart and placed, beside what geometry alone finds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.geometry.plane_regions import Fit
from nvc3d.geometry.planes import find_planes
from nvc3d.metrics import (
    Agreement,
    PlaneRecall,
    plane_agreement,
    plane_recall_by_depth,
    pooled_recall,
)
from nvc3d.tasks.planes.both import cut
from nvc3d.tasks.planes.instances import LEAST, instances
from nvc3d.tasks.planes.model import PlanesModel
from nvc3d.tasks.planes.pictures import Shown
from nvc3d.tasks.task import Batch, Measure, Measured, Table, evaluating

ROWS = ("planes", "network alone", "geometry alone")
NETWORK = ROWS[1]
OFF = 0.05
"""How far, in metres, a plane may be from the true one to be found."""
SAME = (0.02, math.cos(math.radians(2)))
"""Metres, and cosine of the angle, up to which two planes are the same plane."""
MEASURES = (
    Measure("plane recall"),
    Measure("pixel recall"),
    Measure("RI"),
    Measure("VOI", lower_is_better=True),
    Measure("SC"),
    Measure("VOI flush", lower_is_better=True),
    Measure("type accuracy"),
    Measure("normal_deg", 2, lower_is_better=True, unit="°"),
    Measure("offset_cm", 2, lower_is_better=True, unit="cm"),
)


class Judged(NamedTuple):
    """What an answer is worth on one cloud."""

    recall: PlaneRecall
    of_types: tuple[PlaneRecall, ...]
    agreement: Agreement  # as PlaneRCNN's code counts: over all points
    flush: float  # VOI over the points whose plane others are on too; nan without


def metrics(model: PlanesModel, batches: Iterable[Batch], groups: Sequence[str]) -> Measured:
    """Recall of planes within 5 cm, and RI, VOI and SC over all points, as PlaneRCNN's code counts:
    of the answer, which is what `find_planes` finds cut by the network, and of each alone, on the
    same points.
    Of all frames, of those of each group; and recall of planes of each type.

    "VOI flush" is over the points of planes that others of the frame lie on, as a door is on the
    plane of its wall: what geometry cannot know. The mean over frames that have such. Of the
    network also the share of points on planes whose type is right, and how far the normals and the
    offsets that it tells of points are from the truth before any plane is fitted.

    Raises ValueError where there is nothing to measure.
    """
    judged: dict[str, list[Judged]] = {name: [] for name in ROWS}
    labels: list[int] = []
    told: list[Tensor] = []  # (right, degrees, metres, points) of each frame
    shown = Shown(groups)
    with evaluating(model) as device:
        for batch in batches:
            features = batch["features"].to(device) if "features" in batch else None
            result = model(batch["points"].to(device), features)
            said = [part.float().cpu() for part in result[:4]]
            answers = []
            for i, points in enumerate(batch["points"].float().cpu()):
                item = {name: v[i].cpu() for name, v in batch.items() if isinstance(v, Tensor)}
                own = instances(points, *(part[i] for part in said))
                by_geometry = find_planes(points, least_points=LEAST)
                region = torch.from_numpy(by_geometry.instance)
                normal, offset = (torch.from_numpy(a).float() for a in by_geometry[1:3])
                joined = cut(points, region, own, typed=len(model.vocabulary.labels) > 1)
                planes = (
                    (joined.instance, *of_fit(joined.fit)),
                    (own.instance, *of_fit(own.fit)),
                    (region, normal, offset),
                )
                for name, answer in zip(ROWS, planes, strict=True):
                    judged[name].append(judge(*answer, item, len(model.vocabulary.labels)))
                told.append(_told(item, *(part[i] for part in said[1:])))
                answers.append(joined.instance)
            labels += batch["label"].tolist()
            shown.add(batch, answers, result.code)
    if not labels:
        raise ValueError("there is nothing to measure: the split has no frames")
    numbers, sums = torch.tensor(labels), torch.stack(told)

    def table(chosen: Tensor, kind: int | None = None) -> Table:
        kept = chosen.nonzero()[:, 0].tolist()
        rows = {name: _row([judged[name][i] for i in kept], kind) for name in ROWS}
        if kind is None:
            right, degrees, metres, count = sums[chosen].sum(0)
            own = {
                "type accuracy": float(right / count),
                "normal_deg": float(degrees / count),
                "offset_cm": float(100 * metres / count),
            }
            for name in ROWS:
                rows[name] |= own if name == NETWORK else dict.fromkeys(own, math.nan)
        return rows

    everywhere = torch.ones(len(numbers), dtype=torch.bool)
    by = {
        "group": {
            name: table(numbers == i) for i, name in enumerate(groups) if bool((numbers == i).any())
        },
        "type": {
            name: table(everywhere, i)
            for i, name in enumerate(model.vocabulary.labels)
            if any(one.of_types[i].true_planes for one in judged[ROWS[0]])
        },
    }
    return Measured(table(everywhere), by, shown)


def judge(
    found: Tensor, normal: Tensor, offset: Tensor, item: dict[str, Tensor], types: int
) -> Judged:
    """Planes (N,) of a cloud, with normals (P, 3) and offsets (P,), beside the true ones, which are
    of so many types."""
    truth, points = item["instance"], item["points"]
    true_off = (item["normal"] * points).sum(-1) - item["offset"]
    place = points - true_off[:, None] * item["normal"]  # where each would be without noise
    off = torch.full_like(true_off, torch.inf)
    on = found >= 0
    own = found[on]
    off[on] = ((normal[own] * place[on]).sum(-1) - offset[own]).abs()
    every = [truth, *(torch.where(item["point_types"] == i, truth, -1) for i in range(types))]
    recall, *of_types = (
        plane_recall_by_depth(found, some, off, torch.tensor([OFF])) for some in every
    )
    agreement = plane_agreement(found, truth, "planercnn")
    shared = flush(item)
    apart = math.nan
    if int(shared.sum()) > 1:
        apart = plane_agreement(found[shared], truth[shared], "planetr").variation_of_information
    return Judged(recall, tuple(of_types), agreement, apart)


def of_fit(fit: Fit) -> tuple[Tensor, Tensor]:
    """Normals (P, 3) and offsets (P,)."""
    return fit.normal.float(), (fit.normal * fit.centre).sum(1).float()


def flush(item: dict[str, Tensor]) -> Tensor:
    """Which points (N,) are on a true plane that another lies on: bool."""
    truth = item["instance"]
    planes, place = truth.unique(return_inverse=True)
    first = torch.stack([(place == i).nonzero()[0, 0] for i in range(len(planes))])
    normal, offset = item["normal"][first], item["offset"][first]
    along = normal @ normal.mT
    off = (offset[:, None] - along.sign() * offset).abs()
    same = (along.abs() > SAME[1]) & (off < SAME[0]) & (planes >= 0) & (planes >= 0)[:, None]
    return (same.sum(1) > 1)[place]


def _told(item: dict[str, Tensor], scores: Tensor, normal: Tensor, offset: Tensor) -> Tensor:
    """Sums over the points on true planes: right types, degrees, metres; and how many, (4,)."""
    there = item["instance"] >= 0
    right = scores[there].argmax(-1) == item["point_types"][there]
    along = (normal[there] * item["normal"][there]).sum(-1)
    degrees = torch.rad2deg(along.abs().clamp(max=1).acos())
    metres = (along.sign() * offset[there] - item["offset"][there]).abs()
    sums = [part.double().sum() for part in (right, degrees, metres, there)]
    return torch.stack(sums)


def _row(judged: list[Judged], kind: int | None) -> dict[str, float]:
    """The measures of some clouds; of one type of planes, their recall alone."""
    planes, pixels = pooled_recall(
        [one.recall if kind is None else one.of_types[kind] for one in judged]
    )
    row = {"plane recall": float(planes), "pixel recall": float(pixels)}
    if kind is not None:
        return row
    index, information, covering = torch.tensor([one.agreement for one in judged]).double().mean(0)
    return row | {
        "RI": float(index),
        "VOI": float(information),
        "SC": float(covering),
        "VOI flush": float(torch.tensor([one.flush for one in judged]).nanmean()),
    }
