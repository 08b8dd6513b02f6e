"""The hyper-parameters of translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from nvc3d.adapters.text.config import EncoderNet, Rate
from nvc3d.config import Bound
from nvc3d.tasks.halves import Count, DataHalf, Weight


@dataclass(frozen=True)
class TranslationData(DataHalf):
    """What is translated."""

    data: str | None = None
    """Folder of parallel text: NAME.de and NAME.en, plain or gzip, line by line, or NAME.tsv; names
    with train, val and test are those parts. None for the built-in grammar."""
    holdout: Annotated[float, Bound("above", 0), Bound("at most", 1)] = 0.1
    """Fraction of the pairs kept out of training, 2,000 at most, where no file is called val; 1:
    all."""
    source: str = "de"
    """Language that is translated: what the names of its files end with."""
    target: str = "en"
    """Language that it is translated into."""
    train_first: Count | None = None
    """Learn from so many pairs only, the first ones."""
    pieces: Count = 4000
    """How many pieces words of both languages are cut into."""
    batch_pieces: Count = 2000
    """Pieces of each language in a step."""


@dataclass(frozen=True)
class TranslationNet(EncoderNet):
    """What translates."""

    layers: Count = 4
    """Of the encoder, and of the decoder."""
    dropout: Rate = 0.2
    """Of the layers."""
    code: Literal["none", "sentence", "pieces"] = "sentence"
    """What has a code: the sentence, whose code is attended to beside its pieces; each piece, whose
    code is all that is handed on of it; or none, a plain Transformer."""
    each_step: bool = False
    """Add the sentence's code to every piece of the translation, too."""
    word_dropout: Rate = 0.0
    """Part of the pieces that the decoder does not see in training, so that it needs the code."""
    free_bits: Weight = 0.0
    """Nats that a code may tell before its constraint counts."""
    nebula_weight: Weight = 0.1
    """Weight of the nebula beside the task's loss."""
    label_smoothing: Rate = 0.1
    """Part of the probability that is to be spread over all pieces."""
    longest: Count = 128
    """Pieces of a sentence; longer ones are not learned from, and are translated in parts."""


@dataclass(frozen=True)
class TranslationConfig(TranslationNet, TranslationData):
    """Data and model of a translation run."""
