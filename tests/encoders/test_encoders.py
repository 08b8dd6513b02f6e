"""Encoders: what they compute, what they ignore, what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nvc3d.encoders import DGCNN, PointNet, PointNet2, orthogonality_loss
from nvc3d.encoders.dgcnn import EdgeConv
from nvc3d.encoders.pointnet2 import SetAbstraction, interpolate

ENCODERS = [
    pytest.param(lambda: PointNet(dim=32), id="pointnet"),
    pytest.param(lambda: PointNet(dim=32, transforms=False), id="pointnet-without-transforms"),
    pytest.param(lambda: PointNet2(dim=32, k=8), id="pointnet2"),
    pytest.param(lambda: DGCNN(dim=32, k=8), id="dgcnn"),
]


def clouds(batch: int = 2, count: int = 40, dim: int = 3) -> Tensor:
    return torch.randn(batch, count, dim, generator=torch.Generator().manual_seed(0))


def warmed(encoder: nn.Module) -> nn.Module:
    """In evaluation mode, with statistics of batch norm and matrices that are not the initial."""
    torch.manual_seed(1)
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.2)
    for _ in range(3):
        encoder(clouds(4, dim=encoder.in_dim))
    return encoder.eval()


@pytest.mark.parametrize("make", ENCODERS)
def test_features_have_the_promised_shapes_and_every_weight_learns(make) -> None:
    encoder = make()
    whole, each = encoder(clouds())
    assert whole.shape == (2, encoder.dim)
    assert each.shape == (2, 40, encoder.point_dim)
    # Random weights: batch norm makes the gradient of a plain sum vanish.
    sum((value * torch.randn_like(value)).sum() for value in (whole, each)).backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("make", ENCODERS)
def test_the_order_of_the_points_does_not_matter(make) -> None:
    encoder, points = warmed(make()).double(), clouds().double()
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    whole, each = encoder(points)
    whole_too, each_too = encoder(points[:, order])
    torch.testing.assert_close(whole_too, whole)
    torch.testing.assert_close(each_too, each[:, order])


@pytest.mark.parametrize("make", ENCODERS)
def test_clouds_of_a_batch_do_not_see_each_other_in_evaluation(make) -> None:
    encoder, points = warmed(make()).double(), clouds(3).double()
    torch.testing.assert_close(encoder(points)[0][1:2], encoder(points[1:2])[0])


def test_pointnet_starts_with_identity_transforms_and_learns_them() -> None:
    encoder = PointNet(dim=32)
    features = encoder.encode(clouds())
    torch.testing.assert_close(features.input_transform, torch.eye(3).expand(2, 3, 3))
    torch.testing.assert_close(features.feature_transform, torch.eye(64).expand(2, 64, 64))
    encoder = warmed(encoder)
    features = encoder.encode(clouds())
    loss = orthogonality_loss(features.feature_transform)
    loss.backward()
    assert encoder.feature_net.matrix.weight.grad.abs().max() > 0
    assert PointNet(dim=32, transforms=False).encode(clouds()).feature_transform is None


def test_input_transform_turns_positions_only() -> None:
    encoder = warmed(PointNet(in_dim=5, dim=32))
    seen = []
    encoder.local.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    points = clouds(dim=5)
    transform = encoder.encode(points).input_transform
    torch.testing.assert_close(seen[0][..., :3], points[..., :3] @ transform)
    torch.testing.assert_close(seen[0][..., 3:], points[..., 3:])


def test_orthogonality_loss_is_zero_for_rotations_only() -> None:
    rotations = torch.linalg.qr(torch.randn(5, 4, 4, dtype=torch.float64))[0]
    assert orthogonality_loss(rotations) < 1e-20
    # I - (2I)(2I)ᵀ = -3I, whose squares sum to 9 * 4.
    assert orthogonality_loss(2 * torch.eye(4)[None]) == pytest.approx(36)
    with pytest.raises(ValueError, match=r"\(B, C, C\)"):
        orthogonality_loss(torch.eye(3))


def test_edge_convolution_is_the_layer_on_every_edge() -> None:
    torch.manual_seed(3)
    layer = EdgeConv(3, 6, k=5).double().eval()
    points = clouds(1).double()
    distance = (points[0, :, None] - points[0, None]).square().sum(-1)
    weight = torch.cat([layer.centre.weight, layer.neighbour.weight], dim=1)  # on (x_i, x_j - x_i)
    expected = []
    for i in range(40):
        nearest = distance[i].argsort()[:5]
        edges = torch.cat([points[0, i].expand(5, 3), points[0, nearest] - points[0, i]], dim=1)
        expected.append(layer.activation(layer.norm(edges @ weight.T)).amax(0))
    torch.testing.assert_close(layer(points)[0], torch.stack(expected))


def test_edge_convolution_learns_as_the_layer_on_every_edge_does() -> None:
    torch.manual_seed(3)
    layer = EdgeConv(3, 6, k=5).double()
    nn.init.normal_(layer.norm.weight)  # of both signs
    norm = nn.BatchNorm1d(6).double()
    norm.load_state_dict(layer.norm.state_dict())
    points = (clouds(3) + 5).double().requires_grad_()
    found = layer(points)
    nearest = (points[:, :, None] - points[:, None]).square().sum(-1).argsort(-1)[..., :5]
    near = points[torch.arange(3)[:, None, None], nearest]  # (B, N, k, 3)
    weight = torch.cat([layer.centre.weight, layer.neighbour.weight], dim=1)
    own = points[:, :, None].expand_as(near)
    edges = torch.cat([own, near - own], dim=-1) @ weight.T
    expected = layer.activation(norm(edges.flatten(0, 2)).view(edges.shape)).amax(2)
    torch.testing.assert_close(found, expected)
    for name, value in norm.state_dict().items():
        torch.testing.assert_close(layer.norm.state_dict()[name], value)
    toward = torch.randn_like(found)
    inputs = [points, layer.centre.weight, layer.neighbour.weight]
    torch.testing.assert_close(
        torch.autograd.grad(found, [*inputs, layer.norm.weight, layer.norm.bias], toward),
        torch.autograd.grad(expected, [*inputs, norm.weight, norm.bias], toward),
    )


def test_set_abstraction_is_the_layer_on_every_edge() -> None:
    torch.manual_seed(4)
    layer = SetAbstraction(2, 6, k=5).double()
    nn.init.normal_(layer.norm.weight)  # of both signs
    layer(clouds(3).double(), clouds(3, dim=2).double(), 12)
    layer.eval()
    points, features = clouds(1).double(), clouds(1, dim=2).double()
    picked, found = layer(points, features, 12)
    distance = (picked[0, :, None] - points[0, None]).square().sum(-1)
    nearest = distance.argsort(-1)[:, :5]
    spacing = distance.gather(1, nearest).mean().sqrt()
    weight = torch.cat([layer.place.weight, layer.feature.weight], dim=1)
    edges = (points[0, nearest] - picked[0, :, None]) / spacing  # (12, 5, 3)
    edges = torch.cat([edges, features[0, nearest]], dim=-1) @ weight.T
    around = layer.activation(layer.norm(edges.flatten(0, 1)).view(edges.shape)).amax(1)
    expected = (around + layer.narrow(layer.wide(around))).relu()
    torch.testing.assert_close(found[0], expected)


def test_set_abstraction_does_not_know_how_large_a_cloud_is() -> None:
    torch.manual_seed(4)
    layer = SetAbstraction(2, 6, k=5).double().eval()
    points, features = clouds().double(), clouds(dim=2).double()
    picked, found = layer(points, features, 12)
    picked_too, found_too = layer(1000 * points, features, 12)
    torch.testing.assert_close(picked_too, 1000 * picked)
    torch.testing.assert_close(found_too, found)


def test_interpolation_gives_known_points_their_own_and_others_a_mean() -> None:
    known = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]]], dtype=torch.float64)
    features = torch.tensor([[[1.0], [2], [4], [100]]], dtype=torch.float64, requires_grad=True)
    points = torch.tensor([[[1.0, 0, 0], [0.25, 0, 0]]], dtype=torch.float64)
    found = interpolate(points, known, features)
    squared = torch.tensor([1 / 16, 9 / 16, 17 / 16], dtype=torch.float64)
    weights = (1 / squared) / (1 / squared).sum()
    expected = torch.stack([torch.tensor(2.0), weights @ torch.tensor([1.0, 2, 4]).double()])
    torch.testing.assert_close(found.flatten(), expected.double(), rtol=1e-9, atol=1e-9)
    found.sum().backward()
    torch.testing.assert_close(features.grad.sum(), torch.tensor(2.0).double())


def test_interpolation_between_coinciding_points_is_their_mean() -> None:
    found = interpolate(torch.ones(1, 2, 3), torch.ones(1, 3, 3), torch.tensor([[[1.0], [2], [6]]]))
    torch.testing.assert_close(found, torch.full((1, 2, 1), 3.0))


def test_hierarchies_of_a_few_points_and_without_features_of_points() -> None:
    encoder = warmed(PointNet2(dim=32))
    for count in (1, 2, 5):
        whole, each = encoder(clouds(count=count))
        assert whole.shape == (2, 32) and each.shape == (2, count, 64)
        assert whole.isfinite().all() and each.isfinite().all()
    whole, each = PointNet2(dim=32, pointwise=False)(clouds())
    assert whole.shape == (2, 32) and each.shape == (2, 40, 0)
    with pytest.raises(ValueError, match="in_dim must be >= 3"):
        PointNet2(in_dim=2)


def test_dgcnn_draws_its_graph_among_features(monkeypatch: pytest.MonkeyPatch) -> None:
    from nvc3d import ops

    seen, knn = [], ops.knn
    monkeypatch.setattr(
        ops, "knn", lambda x, y, k: (seen.append((x.shape[-1], y.shape[-1], k)), knn(x, y, k))[1]
    )
    DGCNN(dim=32, k=8)(clouds())
    assert seen == [(3, 3, 8), (64, 64, 8), (64, 64, 8), (128, 128, 8)]


@pytest.mark.parametrize("make", ENCODERS)
@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.zeros(40, 3), r"\(B, N, 3\), got \(40, 3\)"),
        (torch.zeros(2, 3, 40), r"\(B, N, 3\), got \(2, 3, 40\)"),
        (torch.zeros(2, 40, 3, dtype=torch.int64), "float dtype, got torch.int64"),
        (torch.zeros(2, 0, 3), "at least"),
        (torch.zeros(0, 40, 3), "at least"),
        (torch.full((2, 40, 3), torch.nan), "240 NaN"),
        (torch.full((2, 40, 3), torch.inf), "finite"),
        ([[0.0, 0.0, 0.0]], "Tensor, got list"),
    ],
)
def test_wrong_input_is_refused(make, points, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()(points)


def test_too_few_points_and_too_few_clouds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"8 point\(s\) in each, got \(2, 7, 3\)"):
        DGCNN(dim=32, k=8)(clouds(count=7))
    with pytest.raises(ValueError, match="at least 2 clouds in a training batch, got 1"):
        PointNet()(clouds(1))
    PointNet().eval()(clouds(1))
    with pytest.raises(ValueError, match="even"):
        DGCNN(dim=33)


@pytest.mark.parametrize("make", ENCODERS)
def test_one_point_repeated_is_encoded_without_nan(make) -> None:
    encoder = make()
    points = torch.ones(2, 40, 3, requires_grad=True)
    whole, _ = encoder(points)
    whole.sum().backward()
    assert whole.isfinite().all() and points.grad.isfinite().all()


def test_autocast_gives_finite_features() -> None:
    for encoder in (PointNet(dim=32), PointNet2(dim=32), DGCNN(dim=32, k=8)):
        with torch.autocast("cpu", torch.bfloat16):
            whole, each = encoder(clouds())
        assert whole.isfinite().all() and each.isfinite().all()
