"""What a task may put between encoder and decoder: all kinds are used alike."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nvc3d.nebula import GaussianHead, Nebula
from nvc3d.tasks.bottleneck import Bottleneck, Plain, bottleneck


@pytest.mark.parametrize(
    ("kind", "made", "answers", "columns"),
    [("nebula", Nebula, None, 10), ("vae", GaussianHead, None, 6), ("plain", Plain, 1, 6)],
)
def test_all_kinds_are_used_alike(kind: Any, made: type, answers: int | None, columns: int) -> None:
    torch.manual_seed(0)
    between = bottleneck(kind, 8, 4, 6, 1.0)
    asked: Bottleneck = between  # what tasks ask of it, which mypy compares
    assert type(between) is made and asked.answers == answers
    assert asked.embedding_dim == columns
    code = between(torch.randn(5, 3, 8))
    assert code.embedding.shape == (5, 3, between.embedding_dim)
    assert code.mean.shape == (5, 3, 6)
    losses = between.losses(code, view=between(torch.randn(5, 3, 8)))
    assert losses.total.shape == ()
    (code.embedding.sum() + losses.total).backward()
    assert all(p.grad is not None for name, p in between.named_parameters() if name != "anchors")
    answer = between.eval().alternatives(torch.randn(5, 8), 1)
    assert answer.embedding.shape == (1, 5, between.embedding_dim)


def test_a_vae_is_the_posterior_alone_and_draws_several_answers():
    torch.manual_seed(0)
    vae = bottleneck("vae", 8, 4, 6, 1.0)
    assert {name for name, _ in vae.named_parameters()} == {"posterior.weight", "posterior.bias"}
    features = torch.randn(5, 8)
    code = vae.eval()(features)
    assert torch.equal(code.embedding, code.mean) and code.assignment.shape == (5, 0)
    answers = vae.alternatives(features, 3)
    assert torch.equal(answers.embedding[0], code.mean)
    assert answers.embedding.unique(dim=0).shape == (3, 5, 6)


def test_a_plain_code_costs_nothing_and_has_one_answer():
    plain = bottleneck("plain", 8, 4, 6, 1.0)
    assert float(plain.losses(plain(torch.randn(5, 8))).total) == 0
    with pytest.raises(ValueError, match="a plain code gives one answer, got a count of 3"):
        plain.alternatives(torch.randn(5, 8), 3)
