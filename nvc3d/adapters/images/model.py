"""From images to a code, from the code to a category and back to the image."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nvc3d.adapters.images.backbones import WIDTHS, backbone, mlp
from nvc3d.adapters.images.config import ImagesNet
from nvc3d.adapters.labelled import Labelling
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.vocabulary import Vocabulary

DROPOUT = 0.3


class Seen(NamedTuple):
    """What is known of a batch of images."""

    scores: Tensor | None  # (B, categories); none without labels
    code: Code
    decoded: Tensor | None  # (B, C, H, W) logits; none without `reconstruct`
    image: Tensor  # (B, C, H, W), 0 to 1: what was seen


class ImagesModel(Labelling):
    """A backbone, a bottleneck, and what reads the code: a classifier, where labels are used, and a
    decoder, where images are decoded.

    Images are (B, C, H, W) uint8. Those of another shape than the model's are scaled until they
    cover it, and cut; grey and colours become one another. Raises ValueError on anything else.
    """

    def __init__(self, config: ImagesNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        if vocabulary.image is None:
            raise ValueError("the vocabulary of a model of images must tell their shape")
        self.vocabulary, self.image = vocabulary, vocabulary.image
        channels, high, wide = self.image
        self.encoder = backbone(config.backbone, self.image, config.dim)
        self.bottleneck: Bottleneck = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        code_dim = self.bottleneck.embedding_dim
        self.scores = None
        if config.labelled > 0 and vocabulary.groups:
            self.scores = nn.Sequential(
                *(nn.Linear(code_dim, config.hidden), nn.ReLU(), nn.Dropout(DROPOUT)),
                nn.Linear(config.hidden, len(vocabulary.groups)),
            )
        self.decoder, self.reconstruct = None, config.reconstruct
        if config.reconstruct > 0:
            self.decoder = nn.Sequential(
                mlp(code_dim, config.dim, *WIDTHS[::-1], channels * high * wide),
                nn.Unflatten(1, self.image),
            )

    def forward(self, images: Tensor) -> Seen:
        image = self._fitted(images)
        code = self.bottleneck(self.encoder(image))
        scores, decoded = (
            None if head is None else head(code.embedding) for head in (self.scores, self.decoder)
        )
        return Seen(scores, code, decoded, image)

    def _fitted(self, images: Tensor) -> Tensor:
        """The images (B, C, H, W), 0 to 1, in the model's own shape."""
        if images.dim() != 4 or images.shape[1] not in (1, 3) or images.dtype != torch.uint8:
            raise ValueError(
                "images must be (B, 1, H, W) or (B, 3, H, W) of uint8, got "
                f"{tuple(images.shape)} of {images.dtype}"
            )
        image = images.float() / 255
        channels, high, wide = self.image
        if channels < image.shape[1]:
            image = (image * image.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, True)
        image = image.expand(-1, channels, -1, -1)
        if image.shape[2:] != (high, wide):
            by = max(high / image.shape[2], wide / image.shape[3])
            size = [max(round(by * image.shape[2]), high), max(round(by * image.shape[3]), wide)]
            image = interpolate(image, size, mode="bilinear", antialias=True)
            top, left = (size[0] - high) // 2, (size[1] - wide) // 2
            image = image[..., top : top + high, left : left + wide]
        return image
