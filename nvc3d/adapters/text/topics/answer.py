"""What a model says of a text."""

from __future__ import annotations

from typing import Any

from nvc3d.adapters.text.topics.config import TopicsNet
from nvc3d.adapters.text.topics.model import TopicsModel
from nvc3d.tasks.classification.answer import ClassificationAnswer, answered
from nvc3d.tasks.task import evaluating


def answer(
    model: TopicsModel, config: TopicsNet, texts: Any
) -> ClassificationAnswer | list[ClassificationAnswer]:
    """The label of a text, or those of a list of texts; of a model that learned without labels the
    anchor, by the soft assignment. Raises ValueError on what is no text."""
    if isinstance(texts, list | tuple):
        return [_answer(model, text) for text in texts]
    return _answer(model, texts)


def _answer(model: TopicsModel, text: Any) -> ClassificationAnswer:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"a text must be a str with words in it, got {text!r}")
    with evaluating(model):
        read = model(model.numbers([text]))
    chances = read.code.assignment if read.scores is None else read.scores.float().softmax(-1)
    if chances.shape[1] == 0:
        raise ValueError("the model has neither a classifier nor anchors: there is nothing to tell")
    return answered(model.categories, chances[0], read.code.at(0), model.bottleneck)
