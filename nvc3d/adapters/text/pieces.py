"""Pieces of words, by byte-pair encoding: Sennrich, Haddow, Birch, "Neural Machine Translation of
Rare Words with Subword Units", ACL 2016; by sentencepiece."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from nvc3d.data.naming import named
from nvc3d.extras import require

PAD, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
_COVERAGE = 0.99999
"""Of all characters of a corpus: the rarest are unknown, so that what unknown means is learned."""
_SENTENCES = 1_000_000
_CHUNK = 10_000
_BLANK = "\u2581"
"""What sentencepiece writes for a blank."""
_WHY = "to cut words into pieces"


class Pieces:
    """Cuts texts into numbered pieces, and joins pieces to texts.

    Args:
        names: all pieces, in the order of their numbers: `SPECIAL`, then as they are merged. That
            order is all that byte-pair encoding needs to know.

    Raises ValueError on names that are not those of pieces.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if tuple(names[:4]) != SPECIAL or len(set(names)) < len(names):
            raise ValueError(f"pieces must begin with {', '.join(SPECIAL)}, and differ")
        require("google.protobuf", _WHY)
        proto = require("sentencepiece.sentencepiece_model_pb2", _WHY).ModelProto()
        spec = proto.trainer_spec
        spec.model_type = spec.BPE
        spec.pad_id, spec.unk_id, spec.bos_id, spec.eos_id = PAD, UNKNOWN, BEGIN, END
        proto.normalizer_spec.name = "identity"
        kind = proto.SentencePiece
        for number, name in enumerate(names):
            special = kind.UNKNOWN if number == UNKNOWN else kind.CONTROL
            proto.pieces.add(
                piece=name,
                score=float(min(0, len(SPECIAL) - number)),
                type=special if number < len(SPECIAL) else kind.NORMAL,
            )
        self.names = tuple(names)
        self._model = require("sentencepiece", _WHY).SentencePieceProcessor(
            model_proto=proto.SerializeToString()
        )

    @classmethod
    def learned(cls, texts: Sequence[str], count: int) -> Pieces:
        """Pieces of texts, `count` of them or fewer where the texts have no more.

        Of more than a million texts every second, third, ... is looked at. Raises ValueError where
        the texts have more characters than `count`.
        """
        library = require("sentencepiece", _WHY)
        stride = -(-len(texts) // _SENTENCES)
        written = io.BytesIO()
        try:
            library.SentencePieceTrainer.train(
                sentence_iterator=islice(_mentioned(texts), 0, None, max(stride, 1)),
                model_writer=written,
                model_type="bpe",
                vocab_size=count,
                character_coverage=_COVERAGE,
                normalization_rule_name="identity",
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=BEGIN,
                eos_id=END,
                hard_vocab_limit=False,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            said = " ".join(str(error).split())
            raise ValueError(
                f"no {count} pieces can be made of {len(texts)} texts: {said}"
            ) from None
        model = library.SentencePieceProcessor(model_proto=written.getvalue())
        return cls([model.id_to_piece(number) for number in range(model.get_piece_size())])

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The numbers of the pieces of each text."""
        found: list[list[int]] = self._model.encode(list(texts), num_threads=1)
        return found

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """How many pieces each text has; of any number of texts."""
        chunks = (texts[i : i + _CHUNK] for i in range(0, len(texts), _CHUNK))
        return [len(row) for chunk in chunks for row in self.encode(chunk)]

    def decode(self, numbers: Sequence[Sequence[int]]) -> list[str]:
        """The texts of pieces."""
        found: list[str] = self._model.decode([list(row) for row in numbers], num_threads=1)
        return [" ".join(text.split()) for text in found]

    def warn_of_unknown(self, texts: Sequence[str]) -> None:
        """Warn of the characters of texts that no piece has, each once, and of how many texts have
        one: whichever they are, the model reads the same."""
        known = set("".join(self.names[len(SPECIAL) :])) - {_BLANK} | {" "}
        strange = sorted(set().union(*texts) - known)
        if strange:
            having = [i for i, text in enumerate(texts, 1) if not known.issuperset(text)]
            told = [c if c.isprintable() else f"U+{ord(c):04X}" for c in strange]
            warnings.warn(
                f"{len(having)} of {len(texts)} texts, the first of them number {having[0]}, have "
                f"characters that the model never saw: {named(told, ' ')}",
                stacklevel=3,
            )

    def begins_word(self, number: int) -> bool:
        """Whether a piece is the beginning of a word."""
        return self.names[number].startswith(_BLANK)


def padded(rows: Sequence[Sequence[int]], device: torch.device | str = "cpu") -> Tensor:
    """Numbers of pieces as a tensor (B, longest), filled up with PAD."""
    width = max(map(len, rows), default=0)
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows], device=device)


def _mentioned(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if text)
