"""What a translator says of sentences."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nvc3d.adapters.text.lines import checked
from nvc3d.adapters.text.pieces import END, padded
from nvc3d.adapters.text.translation.beam import Best, search
from nvc3d.adapters.text.translation.config import TranslationNet
from nvc3d.adapters.text.translation.model import TranslationModel
from nvc3d.atomic import atomic_write
from nvc3d.tasks.task import evaluating

BEAM = 5
PENALTY = 1.0
PIECES = 2000
"""Of a batch."""


@dataclass(frozen=True)
class Translation:
    """The translation of a text."""

    source: str
    text: str
    log_probability: float
    """in nats, of all its pieces; 0 of an empty text"""

    def write(self, path: str | Path) -> list[Path]:
        """Write a JSON file of all fields."""
        with atomic_write(path) as file:
            file.write(json.dumps(self.__dict__, indent=2, ensure_ascii=False).encode() + b"\n")
        return [Path(path)]


def answer(
    model: TranslationModel,
    config: TranslationNet,
    texts: str | Sequence[str],
    *,
    beam: int = BEAM,
    length_penalty: float = PENALTY,
) -> Translation | list[Translation]:
    """The translation of a text, or of each of several.

    Args:
        beam: how many beginnings are followed.
        length_penalty: power of the length by which log probabilities are divided.

    Raises ValueError on what is no text, and a beam below 1.
    """
    if isinstance(texts, str):
        return translate(model, [texts], beam, length_penalty)[0]
    return translate(model, texts, beam, length_penalty)


def translate(
    model: TranslationModel,
    texts: Sequence[str],
    beam: int = BEAM,
    penalty: float = PENALTY,
) -> list[Translation]:
    """The translation of each text; of an empty one an empty one.

    Texts with more pieces than the model learned from are translated in parts, and a warning says
    so, as one says which characters the model never saw. What is said of a text does not depend
    on the others: it is computed in float64, where the batches leave no trace.
    """
    if beam < 1:
        raise ValueError(f"beam must be at least 1, got {beam}")
    sources = checked(texts)
    model.pieces.warn_of_unknown(sources)
    parts = [_parts(model, numbers) for numbers in model.pieces.encode(sources)]
    if long := [number for number, some in enumerate(parts, 1) if len(some) > 1]:
        warnings.warn(
            f"{len(long)} texts, the first of them number {long[0]}, have more than "
            f"{model.longest} pieces: they are translated in parts",
            stacklevel=2,
        )
    found = iter(_translated(model, [part for some in parts for part in some], beam, penalty))
    answers = []
    for source, some in zip(sources, parts, strict=True):
        said = [next(found) for _ in some]
        text = " ".join(model.pieces.decode([one.pieces for one in said]))
        answers.append(Translation(source, text.strip(), sum(o.log_probability for o in said)))
    return answers


def _translated(
    model: TranslationModel, parts: Sequence[list[int]], beam: int, penalty: float
) -> list[Best]:
    """The best translation of each part, in batches of nearly one length."""
    order = sorted(range(len(parts)), key=lambda i: len(parts[i]))
    exact = copy.deepcopy(model).double().requires_grad_(False)  # whose anchors stay where they are
    found: dict[int, Best] = {}
    with evaluating(exact) as device:
        while order:
            size = len(parts[order[-1]]) + 1
            count = max(1, PIECES // size)
            chosen, order = order[-count:], order[:-count]
            source = padded([[*parts[i], END] for i in chosen], device)
            memory, _ = exact.remember(source)
            limits = torch.tensor([2 * len(parts[i]) + 10 for i in chosen], device=device)
            best = search(exact.decoder, memory, limits, beam, penalty)
            found.update(zip(chosen, best, strict=True))
    return [found[i] for i in range(len(parts))]


def _parts(model: TranslationModel, numbers: list[int]) -> list[list[int]]:
    """The pieces of a text in parts that are not longer than the longest: cut after the last
    sentence that fits, else before the last word that begins, else anywhere."""
    parts, names, longest = [], model.pieces.names, model.longest
    while len(numbers) > longest:
        words = [i for i in range(1, longest + 1) if model.pieces.begins_word(numbers[i])]
        sentences = [i for i in words if names[numbers[i - 1]][-1] in ".!?…"]
        cut = (sentences or words or [longest])[-1]
        parts.append(numbers[:cut])
        numbers = numbers[cut:]
    return [*parts, numbers] if numbers else parts
