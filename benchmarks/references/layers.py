"""Layers that the networks share."""

from __future__ import annotations

import itertools

from torch import nn


def shared(*widths: int) -> nn.Sequential:
    """Layers that treat all points (B, C, N, K) alike: convolutions of one by one."""
    layers: list[nn.Module] = []
    for given, made in itertools.pairwise(widths):
        layers += [nn.Conv2d(given, made, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU()]
    return nn.Sequential(*layers)


def head(given: int, classes: int) -> nn.Sequential:
    """The scores of classes from a feature (B, given)."""
    return nn.Sequential(
        *(nn.Linear(given, 512), nn.BatchNorm1d(512), nn.ReLU()),
        *(nn.Linear(512, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.3)),
        nn.Linear(256, classes),
    )
