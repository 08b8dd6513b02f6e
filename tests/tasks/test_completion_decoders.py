"""The decoders of completion, and the codes between them and the encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nvc3d import ops
from nvc3d.checkpoint import Run, load_run, prepare, save_config, save_weights
from nvc3d.config import TrainConfig, from_dict
from nvc3d.tasks import TASKS
from nvc3d.tasks.completion import CompletionConfig, CompletionModel
from nvc3d.tasks.completion.decoders.parts import grid, spread
from nvc3d.tasks.completion.decoders.upsampling import ATTENDED, NeighbourAttention
from nvc3d.tasks.vocabulary import Vocabulary

TASK = TASKS["completion"]
SMALL = CompletionConfig(
    input_points=64,
    points=256,
    coarse=32,
    seeds=48,
    factors=(1, 2, 2),
    dim=64,
    latent_dim=16,
    anchors=4,
    hidden=32,
)
DECODERS = ("seeds", "pcn", "folding", "upsampling")
# What each makes on its way to the 192 points that are missing.
STAGES = {"seeds": [32], "pcn": [32], "folding": [192], "upsampling": [32, 48, 96]}


def build(**change) -> CompletionModel:
    torch.manual_seed(0)
    return TASK.model(replace(SMALL, **change), Vocabulary())


def cloud(batch: int = 2, count: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, count, 3, generator=torch.Generator().manual_seed(seed))


def pairs(batch: int) -> dict[str, torch.Tensor]:
    """Halves of stretched spheres, seen from above, and their wholes."""
    sphere = torch.nn.functional.normalize(cloud(batch, 256), dim=2)
    whole = sphere * (0.3 + torch.rand(batch, 1, 3, generator=torch.Generator().manual_seed(1)))
    rows = whole[..., 2].argsort(1, descending=True)[:, :64, None].expand(-1, -1, 3)
    return {"partial": whole.gather(1, rows), "complete": whole}


@pytest.mark.parametrize("decoder", DECODERS)
def test_stages_lead_to_the_points_asked_for_and_the_seen_ones_are_kept(decoder: str) -> None:
    result = build(decoder=decoder).eval()(cloud())
    assert result.points.shape == (2, 256, 3)
    assert [stage.shape[1] for stage in result.coarse] == STAGES[decoder]
    assert torch.equal(result.points[:, :64], cloud())


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("bottleneck", ["nebula", "vae", "plain"])
def test_every_weight_gets_a_finite_gradient(decoder: str, bottleneck: str) -> None:
    model = build(decoder=decoder, bottleneck=bottleneck)
    TASK.loss(model, pairs(4))["total"].backward()
    for name, parameter in model.named_parameters():
        # Anchors take part later, when the latents are ripe.
        if name != "bottleneck.anchors":
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


@pytest.mark.slow
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_shape_can_be_learned_by_heart(decoder: str) -> None:
    model, batch = build(decoder=decoder, bottleneck="plain"), pairs(1)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(150 if decoder == "folding" else 60):
        terms = TASK.loss(model, batch)
        terms["total"].backward()
        optimiser.step()
        optimiser.zero_grad()
    with torch.no_grad():
        points = model(batch["partial"]).points
    start = ops.chamfer_distance(batch["partial"], batch["complete"])
    assert float(ops.chamfer_distance(points, batch["complete"])) < 0.1 * float(start)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_scan_moved_and_scaled_is_completed_alike(decoder: str) -> None:
    model, partial = build(decoder=decoder).eval().double(), cloud().double()
    scale = torch.tensor([0.01, 300.0]).double()[:, None, None]
    shift = torch.tensor([[5.0, -7, 100], [-1e4, 0, 3]]).double()[:, None]
    moved, still = model(partial * scale + shift), model(partial)
    torch.testing.assert_close((moved.points - shift) / scale, still.points)
    for there, here in zip(moved.coarse, still.coarse, strict=True):
        torch.testing.assert_close((there - shift) / scale, here)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("bottleneck", ["nebula", "vae", "plain"])
def test_a_run_is_saved_and_loaded(decoder: str, bottleneck: str, tmp_path: Path) -> None:
    config = replace(SMALL, decoder=decoder, bottleneck=bottleneck)
    model = TASK.model(config, Vocabulary()).eval()
    prepare(tmp_path, model)
    save_config(tmp_path, Run(TASK, config, TrainConfig()))
    save_weights(model, tmp_path / "model.safetensors")
    run, loaded = load_run(tmp_path)
    assert run.config == config
    assert torch.equal(loaded(cloud()).points, model(cloud()).points)


def test_a_config_from_before_there_were_decoders_gives_the_model_of_then() -> None:
    config = from_dict(CompletionConfig, {"points": 2048, "coarse": 256, "seeds": 512})
    names = {name for name, _ in TASK.model(config, Vocabulary()).decoder.named_parameters()}
    layers = [f"coarse.{i}" for i in (0, 2, 4)] + [f"offsets.{i}" for i in (1, 3, 5)]
    layers += ["from_code", "from_place"]
    assert names == {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}


def test_sizes_of_the_pcn_data_set_can_be_asked_for() -> None:
    large = CompletionConfig(input_points=2048, points=16384, coarse=896, seeds=896, hidden=16)
    for decoder in DECODERS:
        model = TASK.model(replace(large, decoder=decoder, factors=(1, 4, 4)), Vocabulary()).eval()
        with torch.no_grad():
            assert model(cloud(1, 2048)).points.shape == (1, 16384, 3)


def test_seen_points_reach_the_decoders_that_look_at_them() -> None:
    partial, code = cloud(), torch.zeros(2, 20)
    for decoder, looks in (("seeds", 1), ("pcn", 0), ("folding", 0), ("upsampling", 1)):
        layers = build(decoder=decoder).decoder
        first, second = (
            layers(code, points, torch.zeros(2, 64, 64))[-1] for points in (partial, partial + 0.1)
        )
        assert torch.equal(first, second) == (not looks), decoder


def test_grid_is_even_and_square_where_it_can_be() -> None:
    ticks = torch.tensor([-1.0, 0.0, 1.0])
    torch.testing.assert_close(grid(9), torch.cartesian_prod(ticks, ticks))
    torch.testing.assert_close(grid(6), torch.cartesian_prod(torch.tensor([-0.5, 0.5]), ticks))
    assert torch.equal(grid(1), torch.zeros(1, 2))
    for count in (2, 5, 7, 192, 1536):
        places = grid(count)
        assert places.shape == (count, 2) and len(places.unique(dim=0)) == count
        assert places.abs().max() <= 1


def test_seeds_are_spread_over_both_clouds_evenly() -> None:
    partial, coarse = cloud(seed=1), cloud(seed=2) + 20
    seeds = spread(partial, coarse, 30)
    assert seeds.shape == (2, 30, 3)
    both = torch.cat([partial, coarse], 1)
    assert float(ops.nearest(seeds, both)[0].max()) == 0
    far = (seeds[..., 0] > 10).sum(1)
    assert ((far > 5) & (far < 25)).all()


def test_attention_is_that_of_its_definition_and_of_the_nearest_points_only() -> None:
    torch.manual_seed(0)
    layer = NeighbourAttention(6).double()
    points, query, carried = cloud(1, 20).double(), cloud(1, 40), cloud(1, 40, 5)
    query, carried = (x.double().reshape(1, 20, 6) for x in (query, carried))
    result = layer(points, query, carried)
    for i in range(20):
        near = (points[0] - points[0, i]).square().sum(1).argsort()[:ATTENDED]
        place = layer.position(10 * (points[0, i] - points[0, near]))
        score = layer.weight(layer.query(query[0, i]) - layer.key(carried[0, near]) + place)
        value = layer.value(torch.cat([query, carried], -1)[0, near]) + place
        expected = query[0, i] + layer.out((score.softmax(0) * value).sum(0))
        torch.testing.assert_close(result[0, i], expected)
    # Fewer points than are looked at.
    assert layer(points[:, :3], query[:, :3], carried[:, :3]).shape == (1, 3, 6)


@pytest.mark.parametrize("bottleneck", ["nebula", "vae"])
@pytest.mark.parametrize("decoder", DECODERS)
def test_alternatives_begin_with_the_best_guess_and_differ(decoder: str, bottleneck: str) -> None:
    model = build(decoder=decoder, bottleneck=bottleneck).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    answers = model.alternatives(cloud(), 3, torch.Generator().manual_seed(0))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert answers.shape == (3, 2, 256, 3)
    torch.testing.assert_close(answers[0], model.eval()(cloud()).points)
    assert torch.equal(answers[:, :, :64], cloud().expand(3, -1, -1, -1))
    apart = (answers[1:] - answers[0])[:, :, 64:].abs().amax((1, 2, 3))
    assert (apart > 1e-3).all()
    again = model.alternatives(cloud(), 3, torch.Generator().manual_seed(0))
    assert torch.equal(again, answers)
    other = model.alternatives(cloud(), 3, torch.Generator().manual_seed(1))
    assert not torch.equal(other, answers)


def test_a_plain_code_has_one_answer() -> None:
    model = build(bottleneck="plain").eval()
    torch.testing.assert_close(model.alternatives(cloud(), 1)[0], model(cloud()).points)
    with pytest.raises(ValueError, match="one answer"):
        model.alternatives(cloud(), 2)


def test_half_precision() -> None:
    for decoder in DECODERS:
        with torch.autocast("cpu", torch.bfloat16):
            terms = TASK.loss(build(decoder=decoder), pairs(2))
        terms["total"].backward()
        assert terms["total"].isfinite()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder": "pcn", "coarse": 36}, "coarse must divide"),
        ({"decoder": "upsampling", "factors": (1, 3)}, "seeds times factors must be"),
        ({"decoder": "upsampling", "seeds": 97, "factors": (2,)}, "seeds must be at most"),
        ({"decoder": "upsampling", "factors": ()}, "factors must be"),
        ({"factors": (4, 0)}, "factors must be"),
        ({"decoder": "unet"}, "decoder must be one of"),
        ({"bottleneck": "gan"}, "bottleneck must be one of"),
    ],
)
def test_configs_that_make_no_sense_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
