"""What a model says of a text."""

from __future__ import annotations

from collections.abc import Sequence

from nvc3d.adapters.text.lines import checked
from nvc3d.adapters.text.topics.config import TopicsNet
from nvc3d.adapters.text.topics.model import TopicsModel
from nvc3d.tasks.classification.answer import ClassificationAnswer
from nvc3d.tasks.task import evaluating


def answer(
    model: TopicsModel, config: TopicsNet, texts: str | Sequence[str]
) -> ClassificationAnswer | list[ClassificationAnswer]:
    """The label of a text, or those of a list of texts; of a model that learned without labels the
    anchor, by the soft assignment. A warning says which characters the model never saw.

    Raises ValueError on what is no text, and on one without words.
    """
    several = checked(texts)
    model.pieces.warn_of_unknown(several)
    answers = [_answer(model, text) for text in several]
    return answers[0] if isinstance(texts, str) else answers


def _answer(model: TopicsModel, text: str) -> ClassificationAnswer:
    if not text:
        raise ValueError("a text must have words in it, got an empty one")
    with evaluating(model):
        read = model(model.numbers([text]))
    return model.answer(read.scores, read.code)
