"""Which of many latents stand for all of them: the few that are worth a label."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from nvc3d import ops

from . import kmeans
from .distances import squared_distance

_STEPS = 8  # of k-means


@torch.no_grad()
def representatives(
    latents: Tensor, anchors: Tensor, count: int, known: Collection[int] = ()
) -> list[int]:
    """The numbers of `count` latents (N, D) that best stand for all, those to label first.

    Anchors (M, D) take turns, the one of most latents first, and give one each turn; those of
    `known` latents, which are never given, count as given by their anchor. An anchor that gives one
    gives the nearest to it; of more, its latents are parted by k-means, and each part gives that
    nearest to its centre. Where there are more anchors than latents known and asked for, k-means
    goes on with as many, those that best cover the latents. (That large clusters without a label
    come first is after Hacohen, Dekel, Weinshall, "Active Learning on a Budget: Opposite Strategies
    Suit High and Low Budgets", ICML 2022.)

    Returns: the numbers in the order of the turns, the same ones on every call.

    Raises ValueError on other shapes, and where there are fewer than `count` to choose from.
    """
    if latents.dim() != 2 or anchors.dim() != 2 or latents.shape[1] != anchors.shape[1]:
        raise ValueError(
            "latents must be (N, D) and anchors (M, D), "
            f"got {tuple(latents.shape)} and {tuple(anchors.shape)}"
        )
    rest = len(latents) - len(set(known))
    if not 0 <= count <= rest:
        raise ValueError(f"count must be from 0 to the {rest} latents not known, got {count}")
    if count == 0:
        return []
    skipped = set(known)
    if count + len(skipped) < len(anchors):
        start = anchors[_covering(latents, anchors, count + len(skipped))]
        anchors, _ = kmeans.lloyd(latents, start, _STEPS)
    members: list[list[int]] = [[] for _ in anchors]
    taken = [0] * len(anchors)
    owners = ops.assign_anchors(latents, anchors).index.tolist()
    for number, owner in enumerate(owners):
        if number in skipped:
            taken[owner] += 1
        else:
            members[owner].append(number)
    size = [owners.count(k) for k in range(len(anchors))]
    turns: list[int] = []
    for _ in range(count):
        able = [k for k, own in enumerate(members) if turns.count(k) < len(own)]
        turns.append(min(able, key=lambda k: (taken[k], -size[k])))
        taken[turns[-1]] += 1
    given = {k: iter(_central(latents, anchors[k], members[k], turns.count(k))) for k in set(turns)}
    return [next(given[k]) for k in turns]


def _covering(latents: Tensor, anchors: Tensor, count: int) -> list[int]:
    """The numbers of some anchors, each next one that which most lowers the sum of the squared
    distances of latents to the nearest so far."""
    centre = latents.mean(0)
    distance = squared_distance(latents - centre, anchors - centre)  # (N, M)
    least = distance.amax(1)
    order: list[int] = []
    for _ in range(count):
        lowered = (least[:, None] - distance).clamp_min(0).sum(0)  # (M,)
        lowered[order] = -1
        order.append(int(lowered.argmax()))
        least = torch.minimum(least, distance[:, order[-1]])
    return order


def _central(latents: Tensor, anchor: Tensor, members: list[int], count: int) -> list[int]:
    """Some of the members of an anchor, by number: the nearest to it, or to each of its parts."""
    own = latents[members]  # (m, D)
    centres = anchor[None]
    if count > 1:
        start = kmeans.plus_plus(own, count, torch.Generator().manual_seed(0))
        centres, _ = kmeans.lloyd(own, start, _STEPS)
        parts = torch.bincount(ops.assign_anchors(own, centres).index, minlength=count)
        centres = centres[parts.argsort(descending=True, stable=True)]
    distance = torch.cdist(centres, own)  # (count, m)
    found: list[int] = []
    for row in distance:
        row[found] = torch.inf
        found.append(int(row.argmin()))
    return [members[i] for i in found]
