"""What a classifier looks for before it learns: along which axes, and if sizes tell anything."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nvc3d.checkpoint import load_run
from nvc3d.cli import main
from nvc3d.files import write_cloud
from nvc3d.geometry.mesh import Cloud
from nvc3d.geometry.principal import principal_frames
from nvc3d.shapes import CATEGORIES
from nvc3d.tasks import TASKS
from nvc3d.tasks.classification import ClassificationConfig, ClassificationModel
from nvc3d.tasks.classification.look import along_principal_axes, told_by_size
from nvc3d.tasks.vocabulary import Vocabulary

TASK = TASKS["classification"]
SMALL = ClassificationConfig(points=64, dim=64, latent_dim=16, anchors=6, hidden=32, labelled=0.1)
OPTIONS = ("--points=32", "--dim=16", "--latent-dim=8", "--anchors=4", "--hidden=8", "--steps=3")

# Axes


def blocks(count: int, turned: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Blocks of two kinds of sides, each turned anyhow or not at all."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    sides = np.where(labels[:, None] == 0, (1.0, 0.5, 0.2), (1.0, 0.35, 0.35))
    points = (rng.random((count, 300, 3)) - 0.5) * sides[:, None]
    if turned:
        points = points @ np.linalg.qr(rng.standard_normal((count, 3, 3)))[0]
    return torch.from_numpy(points), torch.from_numpy(labels)


def test_the_axes_are_those_along_which_categories_are_told() -> None:
    assert along_principal_axes(*blocks(60, turned=True))
    assert not along_principal_axes(*blocks(60, turned=False))
    assert not along_principal_axes(*blocks(4, turned=True))  # too few to tell
    cloud, label = blocks(60, turned=True)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    assert not along_principal_axes(cloud, label[order])


@pytest.mark.parametrize("turned", [False, True])
def test_a_run_remembers_along_which_axes_it_sees(turned: bool, tmp_path: Path) -> None:
    for number, (cloud, label) in enumerate(zip(*blocks(60, turned), strict=True)):
        (tmp_path / "data" / str(int(label))).mkdir(parents=True, exist_ok=True)
        write_cloud(tmp_path / "data" / str(int(label)) / f"{number}.ply", cloud.float().numpy())
    run = tmp_path / "run"
    common = ["train", "classification", f"--data={tmp_path / 'data'}", *OPTIONS]
    assert main([*common, f"--output={run}"]) == 0
    loaded, model = load_run(run)
    assert model.principal == loaded.vocabulary.principal == turned
    # Told otherwise, the data are not asked.
    assert main([*common, f"--output={tmp_path / 'given'}", "--axes=given"]) == 0
    assert not load_run(tmp_path / "given")[1].principal


def test_along_principal_axes_a_cloud_is_seen_alike_however_it_is_turned() -> None:
    model = ClassificationModel(replace(SMALL, axes="principal"), Vocabulary(CATEGORIES)).eval()
    cloud, _ = blocks(6, turned=False)
    turned = (cloud @ torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]).float()
    turned, cloud = (turned, cloud.float())
    if torch.linalg.det(torch.linalg.lstsq(cloud[0], turned[0]).solution) < 0:
        turned = -turned
    with torch.no_grad():
        torch.testing.assert_close(model(turned).scores, model(cloud).scores, atol=1e-4, rtol=0)
        plain = ClassificationModel(SMALL, Vocabulary(CATEGORIES)).eval()
        assert float((plain(turned).scores - plain(cloud).scores).abs().max()) > 1e-3
    for bad in (cloud[0], cloud[..., :2], torch.full_like(cloud, nan), cloud.long()):
        with pytest.raises(ValueError, match="points must be"):
            model(bad)


def test_what_is_decoded_is_compared_with_the_cloud_as_it_was_seen() -> None:
    config = replace(SMALL, axes="principal", reconstruct=1.0, bottleneck="plain", labelled=1.0)
    torch.manual_seed(0)
    model = ClassificationModel(config, Vocabulary(CATEGORIES))
    cloud, label = blocks(4, turned=True)
    cloud = cloud.float()
    seen = model(cloud).seen
    assert all(
        float((principal_frames(cloud)[:, i] - seen[i]).abs().amax((1, 2)).min()) < 1e-6
        for i in range(4)
    )
    assert float((seen - cloud).abs().max()) > 0.1
    given = {"points": cloud, "size": torch.ones(4), "label": label}
    expected = model.eval()(cloud).seen
    model.decoder = type("Decoder", (nn.Module,), {"forward": lambda _, code: expected})()
    terms = TASK.loss(model, given | {"labelled": torch.ones(4, dtype=torch.bool)})
    assert float(terms["reconstruction"]) == 0


# Sizes


def test_sizes_are_told_where_they_tell_something() -> None:
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    sizes = torch.tensor([0.5, 2.0, 8.0])[labels] * torch.rand(90, generator=rng).exp()
    assert told_by_size(sizes, labels)
    assert not told_by_size(sizes[torch.randperm(90, generator=rng)], labels)
    assert not told_by_size(torch.where(labels == 0, nan, sizes), labels)


def test_a_model_that_was_told_sizes_asks_for_them() -> None:
    words = Vocabulary(("car", "toy"), sizes=(0.1, 10.0))
    torch.manual_seed(0)
    model = ClassificationModel(SMALL, words).eval()
    cloud = torch.randn(2, 64, 3)
    with torch.no_grad():
        one, other = (model(cloud, torch.full((2,), size)).scores for size in (0.1, 8.0))
        assert float((one - other).abs().max()) > 1e-3
        for wrong in (None, torch.ones(3), torch.tensor([1.0, nan]), torch.tensor([1.0, 0.0])):
            with pytest.raises(ValueError, match=r"asks for the size \(2,\) in metres, got"):
                model(cloud, wrong)
    points = np.random.default_rng(0).normal(size=(200, 3))
    metres = TASK.answer(model, SMALL, Cloud(points)).probabilities
    millimetres = TASK.answer(model, SMALL, Cloud(points * 1000, unit=0.001)).probabilities
    assert np.allclose(metres, millimetres, atol=1e-5)
    with pytest.warns(UserWarning, match=r"0.2 to 20 m large, and this one is .*e\+03 m"):
        TASK.answer(model, SMALL, Cloud(points * 1000))
