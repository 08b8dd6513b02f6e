"""Learning from clouds without labels, and what then can be asked: which to label first, how novel
a shape is, new shapes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import call

import nvc3d
from nvc3d.files import write_cloud
from nvc3d.nebula import representatives
from nvc3d.tasks import TASKS
from nvc3d.tasks.classification import ClassificationConfig
from nvc3d.tasks.classification.ask import latents

TASK = TASKS["classification"]
SMALL = ClassificationConfig(
    shapes=46, points=32, dim=16, latent_dim=8, anchors=4, hidden=8, reconstruct=100.0, holdout=0.25
)
SIDES = {"flat": (1, 1, 0.1), "long": (0.1, 0.1, 1), "round": (1, 1, 1)}
TINY = "--points=32 --dim=16 --latent-dim=8 --anchors=4 --hidden=8 --steps=3 --batch-size=4"


def clouds(folder: Path, prefix: str = "", each: int = 6) -> Path:
    """Clouds of three kinds in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name, sides in SIDES.items():
        for i in range(each):
            points = (rng.normal(size=(100, 3)) * sides).astype(np.float32)
            write_cloud(folder / f"{prefix}{name}{i}.ply", points)
    return folder


def sort_in(folder: Path, names: list[str]) -> None:
    """Put clouds into a sub-folder each of their kind."""
    for name in names:
        kind = folder / name.rstrip("0123456789.ply")
        kind.mkdir(exist_ok=True)
        (folder / name).rename(kind / name)


def test_a_folder_without_labels_is_learned_from_asked_and_labelled_bit_by_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = clouds(tmp_path / "data"), tmp_path / "first"
    train = f"train classification {TINY} --reconstruct=100 --ask=5"
    assert call(train, f"--data={folder}", f"--output={output}") == 0
    asked = (output / "ask.txt").read_text().splitlines()
    assert len(set(asked)) == 5 and all((folder / name).is_file() for name in asked)
    said = capsys.readouterr().out
    assert "To label first:" in said and all(f"  {name}\n" in said for name in asked)
    # Again it would ask for the same.
    again = tmp_path / "again"
    assert call(train, f"--data={folder}", f"--output={again}") == 0
    assert (again / "ask.txt").read_text().splitlines() == asked
    # Those that got a label since are not asked for; the others are still seen.
    sort_in(folder, sorted(p.name for p in folder.glob("*[0123].ply")))
    second = tmp_path / "second"
    assert call(train, f"--data={folder}", f"--output={second}") == 0
    asked = (second / "ask.txt").read_text().splitlines()
    assert len(asked) == 5 and all((folder / name).is_file() for name in asked)
    assert json.loads((second / "config.json").read_text())["vocabulary"]["groups"] == [*SIDES]
    measured = json.loads((second / "metrics.json").read_text())
    assert 0 <= measured["overall"]["classification"]["accuracy"] <= 1


def test_files_in_no_sub_folder_are_learned_from_without_a_label(tmp_path: Path) -> None:
    folder = clouds(tmp_path)
    nothing = replace(SMALL, data=str(folder))
    splits = TASK.data(nothing)
    assert splits.vocabulary.groups == ("shape",)
    assert len(splits.train) > 0 and len(splits.val) == 0
    assert not any(bool(item["labelled"]) for item in splits.train)
    with pytest.raises(ValueError, match=r"no shape has a label .* learn from .* --reconstruct"):
        TASK.data(replace(nothing, reconstruct=0.0))
    sort_in(folder, [f"{kind}{i}.ply" for kind in SIDES for i in range(4)])
    splits = TASK.data(nothing)
    assert splits.vocabulary.groups == ("flat", "long", "round")
    items = list(splits.train)
    assert {"/" in item["name"] for item in items} == {True, False}
    for item in items:
        assert bool(item["labelled"]) == ("/" in item["name"]) == (int(item["label"]) >= 0)
    assert all("/" in item["name"] for item in splits.val)
    whole = TASK.data(replace(nothing, holdout=1.0))
    assert len(whole.val) == 12 and {int(item["label"]) for item in whole.val} == {0, 1, 2}


def test_labels_can_be_hidden_or_given_by_number() -> None:
    data = TASK.data(replace(SMALL, labelled=0.0)).train
    assert not data.labelled and len(data) == 46
    some = data.with_labels([3, 7])
    known = {item["name"] for item in some if bool(item["labelled"])}
    assert known == {data[3]["name"], data[7]["name"]} and len(some) > 46
    assert not data.labelled and len(data) == 46


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labelled": 0.0, "reconstruct": 0.0}, "the built-in shapes: no shape has a label"),
        ({"ask": 1}, r"0 of 46 training shapes are used without a label .*--ask is for 1"),
        ({"ask": 47, "labelled": 0.0}, "46 of 46 .* for 47"),
        ({"ask": 1, "labelled": 0.0, "bottleneck": "vae"}, "--ask needs the anchors of a nebula"),
    ],
)
def test_what_cannot_be_learned_or_asked_is_said_before(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TASK.data(replace(SMALL, **change))


def test_the_names_are_of_the_representatives_of_the_anchors(tmp_path: Path) -> None:
    config = replace(SMALL, ask=6, labelled=0.001)
    splits = TASK.data(config)
    model = TASK.fresh(config, splits)
    lines = TASK.end(model, splits, config, tmp_path)
    means, names = latents(model, splits.train, config)
    numbers = representatives(means, model.bottleneck.anchors.detach(), 6, splits.train.labelled)
    assert (tmp_path / "ask.txt").read_text().splitlines() == [names[i] for i in numbers]
    assert lines == ["To label first:", *(f"  {names[i]}" for i in numbers)]
    assert not set(numbers) & splits.train.labelled
    assert TASK.end(model, splits, replace(config, ask=0), tmp_path / "nothing") == []


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = clouds(tmp_path / "data")
    output = tmp_path / "run"
    options = (f"--data={folder}", f"--output={output}")
    assert call(f"train classification {TINY} --reconstruct=100", *options) == 0
    return output


def test_an_answer_says_how_novel_a_shape_is(run: Path, tmp_path: Path) -> None:
    model = nvc3d.load(run)
    head = model.network.bottleneck
    # Codes seen in training lie around one anchor: whatever is elsewhere is novel.
    seen = head.anchors[0].detach() + torch.randn(4096, 8) * 1e-3
    head.memory.rows.copy_(seen)
    head.memory.seen = 4096
    answer = model(np.random.default_rng(0).normal(size=(50, 3)))
    assert answer.novelty == 1 and answer.novelty_nats > float(head.novelty(seen).nats.max())
    answer.write(tmp_path / "class.json")
    values = json.loads((tmp_path / "class.json").read_text())
    assert values["novelty"] == 1 and values["novelty_nats"] == answer.novelty_nats


def test_new_shapes_are_decoded_from_drawn_codes(run: Path) -> None:
    model = nvc3d.load(run)
    clouds = model.generate(3, seed=1)
    assert [cloud.points.shape for cloud in clouds] == [(256, 3)] * 3
    assert np.array_equal(model.generate(3, seed=1)[2].points, clouds[2].points)
    assert not np.array_equal(model.generate(3, seed=2)[2].points, clouds[2].points)
    assert model.generate(0) == []
    decoder, model.network.decoder = model.network.decoder, None
    with pytest.raises(ValueError, match="decodes no clouds: train it with --reconstruct"):
        model.generate(1)
    with pytest.raises(ValueError, match="count must be at least 0, got -1"):
        model.network.decoder = decoder
        model.generate(-1)


def test_other_models_generate_nothing() -> None:
    config = replace(SMALL, bottleneck="plain")
    plain = TASK.fresh(config, TASK.data(config))
    with pytest.raises(ValueError, match="a plain code has no prior to draw from"):
        plain.generate(2)
    other = TASKS["segmentation"]
    words = other.data(other.config(shapes=23)).vocabulary
    small = other.config(dim=16, latent_dim=4, anchors=3, hidden=16)
    model = nvc3d.loaded.Model(other, small, other.model(small, words), words)
    with pytest.raises(ValueError, match="models of task segmentation generate no shapes"):
        model.generate(1)
