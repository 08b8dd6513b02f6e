"""How good translations are, and what their codes tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.adapters.text.pieces import PAD
from nvc3d.adapters.text.translation.answer import Translation, translate
from nvc3d.adapters.text.translation.model import TranslationModel
from nvc3d.extras import require
from nvc3d.nebula import GaussianHead, Nebula
from nvc3d.tasks.shown import Codes
from nvc3d.tasks.task import Batch, Measure, Measured, evaluating

RESAMPLED = 1000
"""Times, of the bootstrap."""
ACTIVE = 0.01
"""Variance of the mean of an active unit: Burda, Grosse, Salakhutdinov, "Importance Weighted
Autoencoders", 2016."""

LENGTHS = (10, 16)
OWNERS = {
    "sentence": ("up to 10 pieces", "11 to 16", "more than 16"),
    "pieces": ("inside of a word", "beginning of a word"),
}
"""What a code is of, by which maps are coloured."""

MEASURES = (
    Measure("BLEU", 2, unit="%"),
    Measure("chrF", 2, unit="%"),
    Measure("KL", 3, unit="nats"),
    Measure("active units", 0),
    Measure("anchors used", 0),
)


class Translated(NamedTuple):
    """What was translated, by which codes."""

    said: list[Translation]
    references: list[str]
    codes: Codes | None


def metrics(
    model: TranslationModel, batches: Iterable[Batch], groups: Sequence[str] = ()
) -> Measured:
    """BLEU and chrF of all translations by sacrebleu, cased and detokenised; of the codes their KL,
    a mean over codes, their active units, and how many anchors are the nearest of one.

    The note has sacrebleu's signature and the interval that holds BLEU in 95 % of its bootstrap.
    Raises ValueError where there is nothing to translate.
    """
    codes, sources, references, kl = Codes(), [], [], 0.0
    with evaluating(model):
        for batch in batches:
            sources += batch["source"]
            references += batch["target"]
            if model.bottleneck is None:
                continue
            numbers = model.numbers(batch["source"])
            code = model.remember(numbers)[1]
            assert code is not None
            codes.add(code, _owner(model, numbers))
            kl += float(model.bottleneck.losses(code).kl) * len(code.anchor)
    if not sources:
        raise ValueError("there is nothing to translate: the split has no sentences")
    said = translate(model, sources)
    row, note = _quality([one.text for one in said], references)
    if model.bottleneck is None:
        return Measured({"translation": row}, shown=Translated(said, references, None), note=note)
    if isinstance(model.bottleneck, GaussianHead):
        row["KL"] = kl / len(codes.anchor)
    row["active units"] = float((codes.mean.var(0, unbiased=False) > ACTIVE).sum())
    if isinstance(model.bottleneck, Nebula):
        row["anchors used"] = float(len(torch.unique(codes.anchor)))
    return Measured({"translation": row}, shown=Translated(said, references, codes), note=note)


def _owner(model: TranslationModel, numbers: Tensor) -> Tensor:
    """Which of `OWNERS` each code of sentences (B, S) is of."""
    there = numbers != PAD
    if model.kind == "pieces":
        begins = torch.tensor([*map(model.pieces.begins_word, range(len(model.pieces)))])
        return begins[numbers[there].cpu()].long()
    return torch.bucketize(there.sum(1), torch.tensor(LENGTHS, device=numbers.device))


def _quality(said: list[str], references: list[str]) -> tuple[dict[str, float], str]:
    """BLEU and chrF, and how they were computed."""
    library = require("sacrebleu", "to measure translations")
    bleu, chrf = library.BLEU(), library.CHRF()
    score = bleu.corpus_score(said, [references], n_bootstrap=RESAMPLED)
    row = {"BLEU": score.score, "chrF": chrf.corpus_score(said, [references]).score}
    low, high = score._mean - score._ci, score._mean + score._ci
    return row, (
        f"BLEU {row['BLEU']:.2f}, in 95 % of {RESAMPLED:,} resamples {low:.2f} to {high:.2f}: "
        f"{bleu.get_signature()}; chrF: {chrf.get_signature()}"
    )
