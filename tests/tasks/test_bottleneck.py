"""What a task may put between encoder and decoder: all kinds are used alike."""

from __future__ import annotations

import pytest
import torch

from nvc3d.tasks.bottleneck import bottleneck


@pytest.mark.parametrize("kind", ["nebula", "vae", "plain"])
def test_all_kinds_are_used_alike(kind):
    torch.manual_seed(0)
    between = bottleneck(kind, 8, 4, 6, 1.0)
    code = between(torch.randn(5, 3, 8))
    assert code.embedding.shape == (5, 3, between.embedding_dim)
    assert code.mean.shape == (5, 3, 6)
    losses = between.losses(code, view=between(torch.randn(5, 3, 8)))
    assert losses.total.shape == ()
    (code.embedding.sum() + losses.total).backward()
    assert all(p.grad is not None for name, p in between.named_parameters() if name != "anchors")
    answer = between.eval().alternatives(torch.randn(5, 8), 1)
    assert answer.embedding.shape == (1, 5, between.embedding_dim)


def test_a_vae_never_wakes_and_a_plain_code_costs_nothing():
    torch.manual_seed(0)
    vae, plain = bottleneck("vae", 8, 4, 6, 1.0), bottleneck("plain", 8, 4, 6, 1.0)
    for _ in range(300):
        code = vae(torch.randn(64, 8))
        code.z.square().sum().backward()
    assert float(vae.awake) == 0
    assert float(plain.losses(plain(torch.randn(5, 8))).total) == 0
    with pytest.raises(ValueError, match="a plain code gives one answer, got a count of 3"):
        plain.alternatives(torch.randn(5, 8), 3)
