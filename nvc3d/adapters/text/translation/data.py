"""Sentences and their translations: a folder's, or those of the built-in grammar."""

from __future__ import annotations

import warnings
from typing import Any

from nvc3d.adapters.text import grammar
from nvc3d.adapters.text.batches import Buckets, Texts
from nvc3d.adapters.text.pairs import Pairs, find
from nvc3d.adapters.text.pieces import Pieces
from nvc3d.adapters.text.translation.config import TranslationConfig
from nvc3d.adapters.text.translation.metrics import metrics
from nvc3d.data.deal import deal
from nvc3d.tasks.evaluation import Evaluation
from nvc3d.tasks.task import Measured, Splits
from nvc3d.tasks.vocabulary import Vocabulary

HELD_OUT = 2000
"""Pairs at most that are taken out of training where no file is there to be measured on."""


def data(config: TranslationConfig) -> Splits:
    """The pairs to train on and those to measure on; the labels of the vocabulary are the pieces.

    Pairs with an empty side, or longer than the model's longest, are not learned from; warnings
    count them. Raises what `pairs.find` raises, and ValueError where nothing is left.
    """
    train, held_out, _ = parts(config)
    if config.holdout == 1:
        return Splits(_items(Pairs([], [])), _items(held_out), Vocabulary())
    train = train.at([*range(len(train.source))][: config.train_first])
    pieces = Pieces.learned(train.source + train.target, config.pieces)
    sizes = [*map(max, *map(pieces.sizes, train))]
    fit = [i for i, size in enumerate(sizes) if size <= config.longest]
    if len(fit) < len(sizes):
        warnings.warn(
            f"{len(sizes) - len(fit)} of {len(sizes)} pairs are not learned from: they have more "
            f"than {config.longest} pieces (--longest)",
            stacklevel=2,
        )
    if not fit:
        raise ValueError(f"{config.data}: no pair of sentences is left to learn from")
    train = train.at(fit)
    # With the mark at its end.
    filled = [sizes[i] + 1 for i in fit]
    buckets = Buckets(train._asdict(), filled, config.batch_pieces, config.seed)
    return Splits(buckets, _items(held_out), Vocabulary(labels=pieces.names))


def evaluate(evaluation: Evaluation, *, test: bool = False) -> Measured:
    """What a model is worth on the pairs kept out of its training, or on the test files of the
    folder. Raises ValueError where there are none."""
    config = evaluation.wanted
    evaluation.task.told(config)
    _, held_out, tests = parts(config)
    if test and tests is None:
        raise ValueError(f"{config.data} has no test: no file whose name says so")
    items: Any = _items(tests if test and tests is not None else held_out)
    if len(items) == 0:
        raise ValueError("there is nothing to measure: no pairs were kept out of training")
    return metrics(evaluation.model, evaluation.batches(items))


def parts(config: TranslationConfig) -> tuple[Pairs, Pairs, Pairs | None]:
    """What is learned from, what is measured on, and what is a test.

    Where all is held out, what is measured on is what the folder keeps for that, or else all.
    """
    if config.data is None:
        found = grammar.pairs(config.source, config.target, config.seed)
    else:
        found = find(config.data, config.source, config.target)
    train, val, test = (found.get(part) for part in ("train", "val", "test"))
    if config.holdout == 1:
        return Pairs([], []), val or test or train or Pairs([], []), test
    if train is None:
        raise ValueError(
            f"{config.data} has nothing to learn from: all files are called val or test"
        )
    full = [i for i, both in enumerate(zip(*train, strict=True)) if all(both)]
    if not full:
        raise ValueError(f"{config.data}: no pair has a sentence on both sides")
    if lost := len(train.source) - len(full):
        warnings.warn(
            f"{lost} of {len(train.source)} pairs are left out: one of their sides is empty",
            stacklevel=3,
        )
    train = train.at(full)
    if val is None:
        share = min(config.holdout, HELD_OUT / len(train.source))
        # By the sentence: what stands there twice is on one side.
        held = deal(train.source, config.seed, [share], "sentences")[0]
        taken = {train.source[i] for i in held}
        both: tuple[list[int], list[int]] = ([], [])
        for i, sentence in enumerate(train.source):
            both[sentence in taken].append(i)
        train, val = train.at(both[0]), train.at(both[1])
    return train, val, test


def _items(pairs: Pairs) -> Texts:
    return Texts(pairs._asdict())
