"""Anchors as topics: the words and the sentences of each."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nvc3d.adapters.text.topics.config import TopicsConfig
from nvc3d.adapters.text.topics.model import TopicsModel
from nvc3d.atomic import atomic_write
from nvc3d.nebula import Nebula
from nvc3d.tasks.task import Splits, evaluating

FILE = "topics.txt"
MOST = 5000
"""Texts that are looked at."""
WORDS, SENTENCES = 8, 3
PRINTED = 5
"""Topics, the largest."""


def topics(model: TopicsModel, splits: Splits, config: TopicsConfig, folder: Path) -> list[str]:
    """Write `topics.txt`, of each anchor its share of the training texts, the words that it has
    more of than others, and the texts nearest to it; say the first. Nothing without anchors."""
    if not isinstance(model.bottleneck, Nebula):
        return []
    items: Any = splits.train
    texts: list[str] = items.columns["text"]
    texts = texts[:: -(-len(texts) // MOST)]
    with evaluating(model):
        codes = [
            model.bottleneck(model.encoder(model.numbers(texts[i : i + 256])).sentence)
            for i in range(0, len(texts), 256)
        ]
    anchor = torch.cat([code.anchor for code in codes]).cpu()
    distance = torch.cat([code.distances for code in codes]).cpu()
    counts = [Counter(_words(text)) for text in texts]
    listed = []
    for k in anchor.bincount().argsort(descending=True).tolist():
        own = torch.where(anchor == k)[0]
        if len(own) == 0:
            break
        nearest = own[distance[own, k].argsort(stable=True)].tolist()
        words = typical([counts[i] for i in own.tolist()], counts)
        shown = [*dict.fromkeys(texts[i] for i in nearest)][:SENTENCES]
        head = f"anchor {k}: {len(own) / len(texts):.1%}: {' '.join(words)}"
        listed.append("\n".join([head, *(f"  {text}" for text in shown)]))
    with atomic_write(folder / FILE) as file:
        file.write("".join(f"{topic}\n" for topic in listed).encode())
    return ["Topics, the largest first:", *listed[:PRINTED]]


def typical(own: Sequence[Counter[str]], everyone: Sequence[Counter[str]]) -> list[str]:
    """The words that some texts have more of than all do, those first that weigh most in the
    divergence of their words from those of all."""
    inside, outside = sum(own, Counter()), sum(everyone, Counter())
    share = inside.total() / max(outside.total(), 1)
    weight = {w: n * math.log(n / (share * outside[w])) for w, n in inside.items()}
    more = [word for word in weight if weight[word] > 0]
    return sorted(more, key=lambda word: (-weight[word], word))[:WORDS]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
