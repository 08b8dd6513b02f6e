"""Networks of others, whole, on nvc3d.compat: forward and backward, beside plain definitions.

    python benchmarks/compat.py FOLDER [NAME ...]

FOLDER holds clones of the repositories. Each network runs with random weights in a process of its
own, once on our operators and once on `plain_peers`. The table shows the greatest difference of the
answers and of the gradients, relative to the greatest value, and of both the processor's time and
the peak memory.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import plain_peers
import torch
from torch import Tensor, nn

import nvc3d

FORK = multiprocessing.get_context("fork")  # each network in a process that has imported torch
Run = Callable[[], tuple[Tensor, ...]]  # what a network answers; the sum of it is its loss


def pointnet2(task: str) -> tuple[nn.Module, Run]:
    # Lightning has refused the assignment of `hparams` since 1.0, and serves for training alone.
    sys.modules["pytorch_lightning"] = ModuleType("pytorch_lightning")
    sys.modules["pytorch_lightning"].LightningModule = nn.Module  # type: ignore[attr-defined]
    module = importlib.import_module(f"pointnet2.models.pointnet2_{task}")
    name = "PointNet2ClassificationMSG" if task == "msg_cls" else "PointNet2SemSegSSG"
    model = getattr(module, name)({"model.use_xyz": True})
    points = torch.rand(2, 2048, 6 if task == "msg_cls" else 9)
    return model, lambda: (model(points),)


def pointnet2_kitti() -> tuple[nn.Module, Run]:
    model = importlib.import_module("tools.pointnet2_msg").get_model(input_channels=0)
    points = torch.rand(1, 8192, 3) * 10
    return model, lambda: (model(points),)


def pointmlp() -> tuple[nn.Module, Run]:
    model = importlib.import_module("models.pointmlp").pointMLP()
    points = torch.rand(2, 3, 1024)
    return model, lambda: (model(points),)


def pointr(name: str, **config: Any) -> tuple[nn.Module, Run]:
    model = getattr(importlib.import_module(f"models.{name}"), name)(namespace(config))
    partial, complete = torch.rand(2, 1024, 3), torch.rand(2, 4096, 3)

    def run() -> tuple[Tensor, ...]:
        found = model(partial)
        return model.get_loss(found, complete)

    return model, run


def point_mae() -> tuple[nn.Module, Run]:
    transformer = {
        **{"mask_ratio": 0.6, "mask_type": "rand", "trans_dim": 384, "encoder_dims": 384},
        **{"depth": 12, "drop_path_rate": 0.1, "num_heads": 6},
        **{"decoder_depth": 4, "decoder_num_heads": 6},
    }
    config = {"group_size": 32, "num_group": 64, "loss": "cdl2", "transformer_config": transformer}
    model = importlib.import_module("models.Point_MAE").Point_MAE(namespace(config))
    points = torch.rand(2, 1024, 3)
    return model, lambda: (model(points),)


def snowflake() -> tuple[nn.Module, Run]:
    network = importlib.import_module("models.model_completion").SnowflakeNet
    model = network(dim_feat=512, num_pc=256, num_p0=512, radius=1, up_factors=[1, 4])
    chamfer = importlib.import_module("loss_functions").chamfer_3DDist()
    partial, complete = torch.rand(2, 1024, 3), torch.rand(2, 2048, 3)

    def run() -> tuple[Tensor, ...]:
        pairs = (chamfer(found, complete)[:2] for found in model(partial))
        return tuple(d.mean() for pair in pairs for d in pair)

    return model, run


def _pointcept(folder: str, name: str) -> tuple[nn.Module, Run]:
    """A network that labels points, of Pointcept's packed clouds."""
    skip_init("pointcept.models")  # which imports every network, and what they need
    skip_init(f"pointcept.models.{folder}")
    file, network = name.split(".")
    module = importlib.import_module(f"pointcept.models.{folder}.{file}")
    model = getattr(module, network)(in_channels=6, num_classes=13)
    points = torch.rand(6000, 3)
    batch = {"coord": points, "feat": torch.rand(6000, 6), "offset": torch.tensor([2500, 6000])}
    return model, lambda: (model(batch),)


def point_transformer() -> tuple[nn.Module, Run]:
    return _pointcept("point_transformer", "point_transformer_seg.PointTransformerSeg26")


def point_transformer_v2() -> tuple[nn.Module, Run]:
    return _pointcept("point_transformer_v2", "point_transformer_v2m2_base.PointTransformerV2")


def diffusion() -> tuple[nn.Module, Run]:
    args = SimpleNamespace(
        latent_dim=256, residual=True, num_steps=200, beta_1=1e-4, beta_T=0.05, sched_mode="linear"
    )
    model = importlib.import_module("models.autoencoder").AutoEncoder(args)
    points = torch.rand(8, 2048, 3)
    return model, lambda: (model.get_loss(points),)


def rpmnet() -> tuple[nn.Module, Run]:
    args = SimpleNamespace(
        features=["ppf", "dxyz", "xyz"],
        **{"feat_dim": 96, "radius": 0.3, "num_neighbors": 64, "no_slack": False, "num_sk_iter": 5},
    )
    model = importlib.import_module("models.rpmnet").RPMNetEarlyFusion(args)
    clouds = [torch.cat([torch.rand(2, 717, 3), torch.randn(2, 717, 3)], 2) for _ in range(2)]
    data = {"points_src": clouds[0], "points_ref": clouds[1]}
    return model, lambda: tuple(model(data, 2)[0])


RECIPES: dict[str, tuple[str, Callable[[], tuple[nn.Module, Run]]]] = {
    "PointNet++ (msg, classes)": ("Pointnet2_PyTorch", lambda: pointnet2("msg_cls")),
    "PointNet++ (ssg, scenes)": ("Pointnet2_PyTorch", lambda: pointnet2("ssg_sem")),
    "PointNet++ (KITTI)": ("Pointnet2.PyTorch", pointnet2_kitti),
    "PointMLP": ("pointMLP-pytorch/classification_ModelNet40", pointmlp),
    "PoinTr": (
        "PoinTr",
        lambda: pointr("PoinTr", trans_dim=384, knn_layer=1, num_pred=6144, num_query=96),
    ),
    "PCN": ("PoinTr", lambda: pointr("PCN", num_pred=16384, encoder_channel=1024)),
    "Point-MAE": ("Point-MAE", point_mae),
    "SnowflakeNet": ("SnowflakeNet", snowflake),
    "Point Transformer": ("Pointcept", point_transformer),
    "Point Transformer V2": ("Pointcept", point_transformer_v2),
    "diffusion": ("diffusion-point-cloud", diffusion),
    "RPMNet": ("RPMNet/src", rpmnet),
}


def namespace(config: dict[str, Any]) -> SimpleNamespace:
    """A config whose entries are attributes, at every depth."""
    nested = {k: namespace(v) if isinstance(v, dict) else v for k, v in config.items()}
    return SimpleNamespace(**nested)


def skip_init(package: str) -> None:
    """Import what lies in a package without what its `__init__` imports."""
    parent, _, name = package.rpartition(".")
    module = ModuleType(package)
    module.__path__ = [f"{importlib.import_module(parent).__path__[0]}/{name}"]
    sys.modules[package] = module


def measure(folder: Path, name: str, plain: bool, file: str) -> None:
    """Run one network in this process, and save what it answers."""
    if plain:
        plain_peers.use()
    nvc3d.compat.install()
    repository, recipe = RECIPES[name]
    sys.path.insert(0, str(folder / repository))
    torch.manual_seed(0)
    model, run = recipe()
    model.train()
    torch.manual_seed(1)
    before = time.process_time()
    found = run()
    sum(value.sum() for value in found).backward()  # type: ignore[union-attr]
    seconds = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    answer = {"found": [value.detach() for value in found], "grads": grads}
    torch.save({**answer, "seconds": seconds, "memory": memory}, file)


def apart(ours: Tensor, plain: Tensor, scale: Tensor) -> float:
    return float((ours - plain).abs().max() / scale.abs().max().clamp_min(1e-12))


def compare(folder: Path, name: str) -> str:
    """A row of the table."""
    answers = []
    with tempfile.TemporaryDirectory() as temporary:
        for plain in (False, True):
            file = f"{temporary}/{plain}"
            process = FORK.Process(target=measure, args=(folder, name, plain, file))
            process.start()
            process.join()
            if process.exitcode:
                return f"| {name} | failed, as said above |"
            answers.append(torch.load(file))
    ours, plain_ = answers
    found = max(apart(a, b, b) for a, b in zip(ours["found"], plain_["found"], strict=True))
    assert ours["grads"].keys() == plain_["grads"].keys()
    largest = torch.stack([grad.abs().max() for grad in plain_["grads"].values()]).max()
    grads = max(apart(g, plain_["grads"][n], largest) for n, g in ours["grads"].items())
    costs = (f"{a['seconds']:.2f} | {a['memory']:.0f}" for a in answers)
    return f"| {name} | {found:.0e} | {grads:.0e} | {' | '.join(costs)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(RECIPES))
    options = parser.parse_args()
    print("| network | answers | gradients | ours, s | MB | plain, s | MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in options.names or RECIPES:
        print(compare(options.folder, name), flush=True)


if __name__ == "__main__":
    main()
