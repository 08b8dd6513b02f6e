"""Networks of others: where their repositories have them, how they are built and what they answer.

The configs are the repositories' own; what makes a network slow on a CPU is smaller: how many
points it answers, and how many blocks of a kind follow one another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

Run = Callable[[], tuple[Tensor, ...]]  # what a network answers; the sum of it is its loss


def config(file: str, **smaller: Any) -> Any:
    """The model's part of a config, with other numbers."""
    easy = import_module("easydict").EasyDict
    return easy({**yaml.safe_load(Path(file).read_text())["model"], **smaller})


def stand_in(name: str) -> None:
    """A module that holds anything, and does nothing."""

    class Anything(ModuleType):
        __path__ = []  # noqa: RUF012  # as a package has it

        def __getattr__(self, name: str) -> Any:
            return type(name, (), {"__init__": lambda self, *args, **kwargs: None})

    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules[".".join(parts[:i])] = Anything(".".join(parts[:i]))


def skip_init(package: str) -> None:
    """Import what lies in a package without what its `__init__` imports."""
    parent, _, name = package.rpartition(".")
    module = ModuleType(package)
    module.__path__ = [f"{import_module(parent).__path__[0]}/{name}"]
    sys.modules[package] = module


def pointnet2(task: str, name: str, channels: int) -> tuple[nn.Module, Run]:
    # Lightning has refused the assignment of `hparams` since 1.0, and serves for training alone.
    sys.modules["pytorch_lightning"].LightningModule = nn.Module  # type: ignore[attr-defined]
    module = import_module(f"pointnet2.models.pointnet2_{task}")
    model = getattr(module, name)({"model.use_xyz": True})
    points = torch.rand(2, 1024, channels)
    return model, lambda: (model(points),)


def pointnet2_kitti() -> tuple[nn.Module, Run]:
    model = import_module("tools.pointnet2_msg").get_model(input_channels=0)
    points = torch.rand(1, 4096, 3) * 10
    return model, lambda: (model(points),)


def pointmlp() -> tuple[nn.Module, Run]:
    model = import_module("models.pointmlp").pointMLP()
    points = torch.rand(2, 3, 512)
    return model, lambda: (model(points),)


def pointr(name: str, clouds: int = 2, **smaller: Any) -> tuple[nn.Module, Run]:
    model = import_module("models").build_model_from_cfg(
        config(f"cfgs/PCN_models/{name}.yaml", **smaller)
    )
    partial, complete = torch.rand(clouds, 512, 3), torch.rand(clouds, 1024, 3)

    def run() -> tuple[Tensor, ...]:
        found = model(partial)
        loss = model.get_loss(found, complete)
        return loss if isinstance(loss, tuple) else (loss,)

    return model, run


def point_mae(name: str, file: str, **smaller: Any) -> tuple[nn.Module, Run]:
    model = import_module("models").build_model_from_cfg(config(file, **smaller))
    points = torch.rand(2, 1024, 3)

    def run() -> tuple[Tensor, ...]:
        found = model(points)
        if name == "DiscreteVAE":
            return model.get_loss(found, points)
        return found if isinstance(found, tuple) else (found,)

    return model, run


def snowflake() -> tuple[nn.Module, Run]:
    network = import_module("models.model_completion").SnowflakeNet
    model = network(dim_feat=512, num_pc=256, num_p0=512, radius=1, up_factors=[1])
    chamfer = import_module("loss_functions").chamfer_3DDist()
    partial, complete = torch.rand(2, 512, 3), torch.rand(2, 1024, 3)

    def run() -> tuple[Tensor, ...]:
        pairs = (chamfer(found, complete)[:2] for found in model(partial))
        return tuple(d.mean() for pair in pairs for d in pair)

    return model, run


def seedformer() -> tuple[nn.Module, Run]:
    model = import_module("model").seedformer_dim128(up_factors=[1, 2, 2])
    get_loss = import_module("utils.loss_utils").get_loss
    partial, complete = torch.rand(2, 512, 3), torch.rand(2, 1024, 3)

    def run() -> tuple[Tensor, ...]:
        return (get_loss(model(partial), partial, complete)[0],)

    return model, run


def msn() -> tuple[nn.Module, Run]:
    model = import_module("model").MSN(num_points=1024, bottleneck_size=256, n_primitives=8)
    emd = import_module("emd.emd_module").emdModule()
    partial, complete = torch.rand(2, 512, 3), torch.rand(2, 1024, 3)

    def run() -> tuple[Tensor, ...]:
        coarse, fine, penalty = model(partial.transpose(1, 2).contiguous())
        losses = (emd(found, complete, 0.005, 50)[0].sqrt().mean() for found in (coarse, fine))
        return *losses, 0.1 * penalty.mean()

    return model, run


def mvp(name: str) -> tuple[nn.Module, Run]:
    # Only decorators of mmcv are used.
    unchanged: Any = lambda *args, **kwargs: lambda value: value  # noqa: E731
    vars(sys.modules["mmcv.cnn"])["NORM_LAYERS"] = SimpleNamespace(register_module=unchanged)
    vars(sys.modules["mmcv.runner"])["force_fp32"] = unchanged
    args = SimpleNamespace(num_points=2048, loss="cd", eval_emd=False)
    model = import_module(f"models.{name}").Model(args, num_coarse=512, num_input=1024)
    partial, complete = torch.rand(1, 3, 1024), torch.rand(1, 2048, 3)

    def run() -> tuple[Tensor, ...]:
        _, losses, loss = model(partial, complete, alpha=0.5)
        return losses.mean(), loss

    return model, run


def lion() -> tuple[nn.Module, Run]:
    settings = import_module("default_config").cfg
    parts = "models.latent_points_ada."
    chosen = {  # as script/train_vae.sh has them, with fewer points
        "shapelatent.decoder_type": f"{parts}LatentPointDecPVC",
        "shapelatent.encoder_type": f"{parts}PointTransPVC",
        **{"shapelatent.latent_dim": 1, "shapelatent.log_sigma_offset": 6.0},
        **{"latent_pts.ada_mlp_init_scale": 0.1, "latent_pts.skip_weight": 0.01},
        **{"ddpm.input_dim": 3, "ddpm.loss_type": "l1_sum", "data.tr_max_sample_points": 1024},
    }
    settings.merge_from_list([value for pair in chosen.items() for value in pair])
    model = import_module("models.vae_adain").Model(settings)
    # Random weights make deviations of e^200, and their answer no number.
    model.style_encoder.mlp.weight.data.mul_(0.1)
    points = torch.rand(2, 1024, 3) * 2 - 1
    return model, lambda: (model.get_loss(points, it=0)["loss"].mean(),)


def pointnext() -> tuple[nn.Module, Run]:
    easy = import_module("easydict").EasyDict
    encoder = {
        **{"NAME": "PointNextEncoder", "blocks": [1, 2, 1, 1, 1], "strides": [1, 4, 4, 4, 4]},
        **{"width": 32, "in_channels": 4, "radius": 0.1, "nsample": 32, "expansion": 4},
        "aggr_args": {"feature_type": "dp_fj", "reduction": "max"},
        "group_args": {"NAME": "ballquery", "normalize_dp": True},
        "conv_args": {"order": "conv-norm-act"},
        "act_args": {"act": "relu"},
        "norm_args": {"norm": "bn"},
    }
    head = {"NAME": "SegHead", "num_classes": 13, "in_channels": None, "norm_args": {"norm": "bn"}}
    decoder = {"NAME": "PointNextDecoder"}
    args = {"NAME": "BaseSeg", "encoder_args": encoder, "decoder_args": decoder, "cls_args": head}
    model = import_module("openpoints.models").build_model_from_cfg(easy(args))
    points = torch.rand(2, 1024, 3)
    data = {"pos": points, "x": torch.rand(2, 4, 1024)}
    return model, lambda: (model(data),)


def pointcept(folder: str, name: str, **args: Any) -> tuple[nn.Module, Run]:
    """A network that labels points, of Pointcept's packed clouds."""
    skip_init("pointcept.models")  # which imports every network, and what they need
    skip_init(f"pointcept.models.{folder}")
    file, network = name.split(".")
    module = import_module(f"pointcept.models.{folder}.{folder.partition('_v')[0]}_{file}")
    model = getattr(module, network)(in_channels=6, num_classes=13, **args)
    points = torch.rand(4000, 3)
    batch = {"coord": points, "feat": torch.rand(4000, 6), "offset": torch.tensor([1500, 4000])}
    return model, lambda: (model(batch),)


def packed(module: str, name: str, **args: Any) -> tuple[nn.Module, Run]:
    """A network that labels the points of packed clouds, of Point Transformer and RepSurf."""
    model = getattr(import_module(module), name)(**args)
    points, features = torch.rand(1500, 3), torch.rand(1500, 3)
    offset = torch.tensor([700, 1500], dtype=torch.int32)
    return model, lambda: (model([points, features, offset]),)


def repsurf_scenes() -> tuple[nn.Module, Run]:
    args = SimpleNamespace(return_polar=False, in_channel=6, num_class=13, group_size=8)
    return packed("models.repsurf.repsurf_umb_ssg", "Model", args=args)


def repsurf_classes() -> tuple[nn.Module, Run]:
    args = SimpleNamespace(
        **{"num_point": 1024, "return_dist": True, "return_center": True, "return_polar": True},
        **{"group_size": 8, "umb_pool": "sum", "cuda_ops": True, "num_class": 15},
    )
    model = import_module("models.repsurf.repsurf_ssg_umb").Model(args)
    points = torch.rand(2, 3, 1024)
    return model, lambda: (model(points),)


def batches(module: str, name: str, *shape: int, **args: Any) -> tuple[nn.Module, Run]:
    """A network that labels the points of batches, of PAConv and PVCNN."""
    model = getattr(import_module(module), name)(**args)
    clouds = torch.rand(shape)

    def run() -> tuple[Tensor, ...]:
        found = model(clouds)
        return tuple(found) if isinstance(found, (tuple, list)) else (found,)

    return model, run


def votenet() -> tuple[nn.Module, Run]:
    sys.path.append("models")
    model = import_module("votenet").VoteNet(10, 12, 10, np.random.rand(10, 3), 1, 64)
    points = torch.rand(1, 2048, 4) * 4
    parts = ("vote_xyz", "objectness_scores", "center", "heading_scores", "sem_cls_scores")

    def run() -> tuple[Tensor, ...]:
        found = model({"point_clouds": points})
        return tuple(found[part] for part in parts)

    return model, run


def pvd() -> tuple[nn.Module, Run]:
    args = SimpleNamespace(nc=3, embed_dim=64, attention=True, dropout=0.1)
    module = import_module("train_generation")
    model = module.Model(
        args, module.get_betas("linear", 1e-4, 0.02, 1000), "mse", "eps", "fixedsmall"
    )
    points = torch.rand(1, 3, 1024) * 2 - 1
    return model, lambda: (model.get_loss_iter(points, torch.randn_like(points)),)


def geotransformer() -> tuple[nn.Module, Run]:
    # The kernels' points lie in a file that Open3D reads; these are drawn.
    kpconv = import_module("geotransformer.modules.kpconv.kpconv")
    kpconv.load_kernels = lambda radius, k, **_: np.random.rand(k, 3) * radius  # type: ignore[attr-defined]
    settings = import_module("config").make_cfg()
    model = import_module("model").create_model(settings)
    collate = import_module("geotransformer.utils.data").registration_collate_fn_stack_mode
    one = torch.rand(1500, 3).numpy() * 0.5
    two = one[::-1] + 0.002
    ones = np.ones_like(one[:, :1])
    pair = {"ref_points": one, "src_points": two, "ref_feats": ones, "src_feats": ones}
    pair["transform"] = np.eye(4, dtype=one.dtype)
    stages = settings.backbone.num_stages

    def run() -> tuple[Tensor, ...]:
        data = collate(
            [pair],
            stages,
            settings.backbone.init_voxel_size,
            settings.backbone.init_radius,
            [38, 36, 36, 38],
        )
        found = model(import_module("geotransformer.utils.torch").to_cuda(data))
        scores = found["matching_scores"]
        return found["ref_feats_c"], found["ref_feats_f"], scores[scores > -1e6]

    return model, run


def hregnet() -> tuple[nn.Module, Run]:
    args = SimpleNamespace(
        freeze_detector=False, freeze_feats=False, use_fps=True, use_weights=True
    )
    model = import_module("models.models").HRegNet(args)
    one = torch.rand(1, 1536, 3) * 10
    two = one[:, torch.randperm(1536)] + 0.1

    def run() -> tuple[Tensor, ...]:
        found = model(one, two)
        return tuple(found["rotation"]) + tuple(found["translation"])

    return model, run


def spinnet() -> tuple[nn.Module, Run]:
    # As torch called it until 1.13.
    vars(torch)["symeig"] = lambda a, eigenvectors: torch.linalg.eigh(a)
    model = import_module("network.SpinNet").Descriptor_Net(0.3, 9, 80, 40, 0.04, 30, "3DMatch")
    points = torch.rand(1, 512, 3) * 0.4
    return model, lambda: (model(points),)
