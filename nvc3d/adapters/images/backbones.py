"""From images (B, C, H, W), 0 to 1, to features (B, dim)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from nvc3d.extras import require
from nvc3d.tasks.task import evaluating

WIDTHS = (512, 256)
"""Of the layers of the authors' perceptron, before those of the feature."""
AIDED = ("googlenet", "inception_v3")
"""Networks of torchvision that have classifiers half-way, too, to be trained with."""


def backbone(name: str, image: tuple[int, int, int], dim: int) -> nn.Module:
    """The network of that name for images of (channels, height, width).

    Raises ValueError where there is none, or where it cannot see images of that size; MissingExtra
    where torchvision, which has all but "mlp" and "resnet", is not installed; and ImportError where
    it is, for another torch.
    """
    channels, high, wide = image
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), mlp(channels * high * wide, *WIDTHS, dim), nn.ReLU())
    if name == "resnet":
        return nn.Sequential(
            *(nn.Conv2d(channels, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            *(Residual(32, 32), Residual(32, 64, 2), Residual(64, 128, 2)),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * 128, dim), nn.ReLU()),
        )
    try:
        models: Any = require("torchvision.models", f"for the backbone {name!r}")
    except RuntimeError as error:  # its operators are of another torch
        raise ImportError(
            f"torchvision, needed for the backbone {name!r}, does not fit torch "
            f"{torch.__version__}: {error}"
        ) from None
    if name not in models.list_models(module=models):
        raise ValueError(
            f"backbone must be mlp, resnet or the name of a classifier of torchvision, got {name!r}"
        )
    alone = {"aux_logits": False} if name in AIDED else {}
    network: nn.Module = models.get_model(name, weights=None, num_classes=dim, **alone)
    try:
        with evaluating(network) as device:
            network(torch.zeros(1, 3, high, wide, device=device))
    except (AssertionError, RuntimeError) as error:
        raise ValueError(
            f"the backbone {name} cannot see images of {wide} x {high} pixels (--size asks for "
            f"others): {error}"
        ) from None
    return nn.Sequential(Coloured(), network, nn.ReLU())


def mlp(*sizes: int) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them.

    They start so that each hands on what it gets as strongly as it came (He, Zhang, Ren, Sun,
    "Delving deep into rectifiers", ICCV 2015). By torch's own start less than half of it is left
    after each, and a decoder behind an encoder learns little for hundreds of steps.
    """
    layers: list[nn.Module] = []
    for inner, outer in pairwise(sizes):
        linear = nn.Linear(inner, outer)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Residual(nn.Module):
    """Two convolutions beside what they start from. (He, Zhang, Ren, Sun, "Deep residual learning
    for image recognition", CVPR 2016.)"""

    def __init__(self, inner: int, outer: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()),
            *(nn.Conv2d(outer, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer)),
        )
        self.beside = nn.Conv2d(inner, outer, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = (self.layers(x) + self.beside(x)).relu()
        return found


class Coloured(nn.Module):
    """Grey images as three equal colours."""

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, 3, -1, -1)
