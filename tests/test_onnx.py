"""Models as ONNX: onnxruntime answers as they do, for batches and clouds of any size."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import call, untrained
from torch import Tensor, nn
from torch.export import Dim

import nvc3d
from nvc3d import ops
from nvc3d.encoders.pointnet2 import interpolate

pytest.importorskip("onnxscript", reason="needs nvc3d[onnx]")
ort = pytest.importorskip("onnxruntime", reason="needs nvc3d[onnx]")
pytestmark = pytest.mark.skipif(
    not os.environ.get("NVC3D_EXPORTS"), reason="torch takes minutes: `make exports` runs it"
)


class Operators(nn.Module):
    """All that encoders and decoders ask of nvc3d's operators."""

    def forward(self, points: Tensor, features: Tensor) -> tuple[Tensor, ...]:
        start = points.square().sum(-1).argmax(1)
        picks = ops.farthest_point_sampling(points, -(-points.shape[1] // 4), start=start)
        picked = points.gather(1, picks[..., None].expand(-1, -1, 3))
        squared, index = ops.knn(picked, points, min(5, points.shape[1]))
        maximum, total = ops.pool_neighbours(features, index)
        wide = ops.knn(features, features, 3)
        nearest = ops.assign_anchors(features[:, 0], features[0, :6], check_finite=False)
        grouped = ops.group(features, index).sum(2)
        back = interpolate(points, picked, maximum)
        # Where all directions are alike, the normal may be any.
        variance = ops.local_planes(points[0], index[0])[1]
        return picks, squared, index, maximum, total, *wide, *nearest, grouped, back, variance


def test_operators_are_the_same_of_any_sizes() -> None:
    from nvc3d.onnx import translated

    torch.manual_seed(0)
    given, free = (torch.rand(2, 40, 3), torch.rand(2, 40, 16)), {0: Dim.AUTO, 1: Dim.AUTO}
    exported = torch.export.export(Operators(), given, dynamic_shapes=(free, free))
    outputs = [f"output_{i}" for i in range(12)]
    session = ort.InferenceSession(
        translated(exported, ["points", "features"], outputs).SerializeToString()
    )
    for batch, count in ((2, 40), (3, 77), (1, 12)):
        points, features = torch.randn(batch, count, 3), torch.randn(batch, count, 16)
        # Points on a lattice are equally far from many others.
        for cloud in (points, points.mul(3).round()):
            found = session.run(None, {"points": cloud.numpy(), "features": features.numpy()})
            for one, other in zip(found, Operators()(cloud, features), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("task", "change"),
    [
        ("classification", dict(encoder="pointnet", shapes=23)),
        ("classification", dict(encoder="dgcnn", shapes=23)),
        ("classification", dict(shapes=23)),
        ("classification", dict(encoder="pointnet", shapes=23, axes="principal")),
        ("segmentation", dict(encoder="pointnet", shapes=23)),
        ("segmentation", dict(shapes=23)),
        ("segmentation", dict(shapes=23, encoder="dgcnn", point_codes=True)),
        ("completion", dict(encoder="pointnet")),
        ("completion", dict()),
        ("completion", dict(decoder="upsampling", points=208)),
        ("completion", dict(decoder="folding")),
        ("completion", dict(decoder="pcn", encoder="dgcnn", bottleneck="plain")),
        ("voxel_completion", dict()),
        ("voxel_completion", dict(skips=False, bottleneck="vae")),
        ("hand_pose", dict()),
        ("hand_pose", dict(encoder="dgcnn", palm=False, kinematic=True)),
        ("hand_pose", dict(encoder="pointnet", votes=False, nebula_form="exemplars")),
        ("planes", dict()),
        ("planes", dict(encoder="dgcnn", nebula_form="bottleneck")),
    ],
)
def test_models_answer_as_before(tmp_path: Path, task: str, change: dict[str, object]) -> None:
    run = untrained(tmp_path / "run", task, **change)
    assert call(f"export {run} --output", tmp_path / "model.onnx") == 0
    session = ort.InferenceSession(tmp_path / "model.onnx")
    model = nvc3d.load(run)
    about = json.loads(session.get_modelmeta().custom_metadata_map["nvc3d.json"])
    assert about["task"] == task and about["vocabulary"] == model.vocabulary.to_dict()
    program = model.task.program(model.network, model.config)
    for batch, more in ((1, 0), (3, 37)):
        given = {}
        for name, value in program.inputs.items():
            one = value[:1].repeat(batch, *[1] * (value.dim() - 1))
            free = name in program.free
            given[name] = torch.cat([one, 0.9 * one[:, :more]], 1) if free else one
        with torch.no_grad():
            expected = program.module.eval()(*given.values())
        found = session.run(None, {name: value.numpy() for name, value in given.items()})
        for name, one, other in zip(program.outputs, found, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4, rtol=1e-4, err_msg=name)


class Eigen(nn.Module):
    def forward(self, small: Tensor, large: Tensor) -> tuple[Tensor, ...]:
        return *torch.linalg.eigh(small), *torch.linalg.eigh(large)


def test_axes_of_small_symmetric_matrices() -> None:
    from nvc3d.onnx import translated

    def symmetric(batch: int, size: int) -> Tensor:
        own = torch.randn(batch, size, size)
        return own @ own.mT

    torch.manual_seed(0)
    exported = torch.export.export(
        Eigen(), (symmetric(4, 3), symmetric(4, 4)), dynamic_shapes=({0: Dim.AUTO}, {0: Dim.AUTO})
    )
    model = translated(exported, ["small", "large"], ["a", "b", "c", "d"])
    session = ort.InferenceSession(model.SerializeToString())
    for batch in (1, 7, 200):
        small, large = symmetric(batch, 3), symmetric(batch, 4)
        small[0], large[-1] = 0, torch.diag(torch.tensor([1.0, 0, 0, 2]))
        found = session.run(None, {"small": small.numpy(), "large": large.numpy()})
        for given, values, axes in ((small, *found[:2]), (large, *found[2:])):
            np.testing.assert_allclose(values, torch.linalg.eigvalsh(given), atol=1e-4)
            again = axes * values[:, None] @ axes.transpose(0, 2, 1)
            np.testing.assert_allclose(again, given, atol=1e-4)
            unit = np.broadcast_to(np.eye(given.shape[-1]), axes.shape)
            np.testing.assert_allclose(axes.transpose(0, 2, 1) @ axes, unit, atol=1e-5)


def test_what_onnx_lacks_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nvc3d import onnx

    monkeypatch.delitem(onnx.TRANSLATIONS, torch.ops.aten._linalg_eigh.default)
    change = dict(shapes=23, encoder="pointnet", axes="principal")
    run = untrained(tmp_path / "run", "classification", **change)
    assert call(f"export {run} --output", tmp_path / "model.onnx") == 2
    assert "ONNX, which has no operator for aten._linalg_eigh" in capsys.readouterr().err
    assert not (tmp_path / "model.onnx").exists()
