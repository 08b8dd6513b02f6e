"""Texts with their labels, of which some may be learned from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nvc3d.adapters.text import grammar
from nvc3d.adapters.text.batches import Buckets, Texts
from nvc3d.adapters.text.lines import file_lines, tidy
from nvc3d.adapters.text.pairs import part_of
from nvc3d.adapters.text.pieces import Pieces
from nvc3d.adapters.text.topics.config import TopicsConfig
from nvc3d.data.deal import deal
from nvc3d.data.few_labels import choose
from nvc3d.tasks.task import Splits
from nvc3d.tasks.vocabulary import Vocabulary


class Labelled(NamedTuple):
    """Texts, and the label of each, "" where it has none."""

    text: list[str]
    label: list[str]

    def at(self, indices: list[int]) -> Labelled:
        """Some of them."""
        return Labelled([self.text[i] for i in indices], [self.label[i] for i in indices])


def data(config: TopicsConfig) -> Splits:
    """The texts to train on and those to measure on: the labels are the vocabulary's groups, and
    the pieces its labels.

    Raises ValueError or FileNotFoundError where there are none, or nothing to learn of them.
    """
    if config.data is None:
        parts = {
            part: Labelled(pairs.target, verbs)
            for part, (pairs, verbs) in grammar.drawn("de", "en", config.seed).items()
        }
    else:
        parts = _found(Path(config.data))
    train, val = parts.get("train"), parts.get("val", parts.get("test"))
    if config.holdout == 1:
        held_out = val or train
        assert held_out is not None
        groups = tuple(sorted({*held_out.label} - {""}))
        return Splits(_items(Labelled([], [])), _items(held_out), Vocabulary(groups))
    if train is None:
        raise ValueError(f"{config.data} has nothing to learn from: all is called val or test")
    if val is None:
        held = {*deal(train.text, config.seed, [config.holdout], "texts")[0]}
        both = [i for i in range(len(train.text)) if i not in held], sorted(held)
        train, val = train.at(both[0]), train.at(both[1])
    groups = tuple(sorted({*train.label} - {""}))
    labels = [groups.index(label) if label else -1 for label in train.label]
    chosen = {*choose(labels, config.labelled, config.seed)}
    if not chosen and config.words == 0:
        raise ValueError(
            f"{config.data}: no label is used, so the pieces must be told: --words 0.05"
        )
    if len({labels[i] for i in chosen}) == 1:
        raise ValueError(
            f"{config.data}: there must be two labels at least, or --labelled 0, got {groups[0]}"
        )
    pieces = Pieces.learned(train.text, config.pieces)
    columns = train._asdict() | {"labelled": [i in chosen for i in range(len(labels))]}
    sizes = [min(size, config.longest) + 1 for size in pieces.sizes(train.text)]
    buckets = Buckets(columns, sizes, config.batch_pieces, config.seed)
    return Splits(buckets, _items(val), Vocabulary(groups, pieces.names))


def _items(texts: Labelled) -> Texts:
    labelled = [label != "" for label in texts.label]
    return Texts(texts._asdict() | {"labelled": labelled}, 64)


def _found(path: Path) -> dict[str, Labelled]:
    """The texts of a file or a folder, by the part that the name of each file says."""
    if not path.exists():
        raise FileNotFoundError(f"there is no folder or file {path}")
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    parts: dict[str, Labelled] = {}
    for file in (file for file in files if not file.name.startswith(".")):
        texts = parts.setdefault(part_of(file.name), Labelled([], []))
        for line in file_lines(file):
            label, tab, text = line.partition("\t")
            if not tab:
                label, text = "", line
            if text := tidy(text):
                texts.text.append(text)
                texts.label.append(tidy(label))
    if not any(texts.text for texts in parts.values()):
        raise ValueError(f"{path} holds no text: files of a text a line, after its label and a tab")
    return parts
