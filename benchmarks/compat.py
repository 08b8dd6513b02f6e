"""Networks of others, whole, on nvc3d.compat: forward and backward, beside plain definitions.

    python benchmarks/compat.py FOLDER [NAME ...]

FOLDER holds clones of the repositories, each under its own name. Each network runs with random
weights in a process of its own, once on our operators and once on `plain_peers`. The table shows
how often each of both was called, the greatest difference of the answers and of the gradients,
relative to the greatest value, the processor's time and the peak memory. A run in which the other
side's operators were called as well has failed.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import peer_networks as peers
import torch
from counting import count
from torch import Tensor, nn

from nvc3d import ops

FORK = multiprocessing.get_context("fork")  # each network in a process that has imported torch
OPERATORS = [name for name in ops.__all__ if name.islower() and callable(getattr(ops, name))]


class Network(NamedTuple):
    """A network of a repository."""

    repository: str  # owner/name
    build: Callable[[], tuple[nn.Module, peers.Run]]
    folder: str = ""  # from which it is run
    absent: tuple[str, ...] = ()  # what it imports, and does not need for an answer
    double: bool = False  # in float64: in float32 its gradients depend on the order of a sum


POINTNET2 = "erikwijmans/Pointnet2_PyTorch"
POINTR = "yuxumin/PoinTr"
POINTCEPT = "Pointcept/Pointcept"
LIGHTNING = ("pytorch_lightning",)
EXPERIMENT = "experiments/geotransformer.3dmatch.stage4.gse.k3.max.oacl.stage2.sinkhorn"
PACONV = {
    **{"m": 16, "paconv": [True] * 4 + [False] * 4, "score_input": "ed7"},
    **{"kernel_input": "neighbor", "hidden": [8, 16, 16], "npoints": [256, 128, 64, 32]},
}

NETWORKS = {
    "PoinTr": Network(POINTR, partial(peers.pointr, "PoinTr", num_query=64, num_pred=1024)),
    "AdaPoinTr": Network(
        POINTR,
        partial(peers.pointr, "AdaPoinTr", num_query=64, num_points=1024, center_num=[256, 128]),
    ),
    "SnowFlakeNet": Network(POINTR, partial(peers.pointr, "SnowFlakeNet", up_factors=[1, 2])),
    "PCN": Network(POINTR, partial(peers.pointr, "PCN", num_pred=1024)),
    "TopNet": Network(POINTR, partial(peers.pointr, "TopNet", num_pred=2048, encoder_feature=1024)),
    "GRNet": Network(
        POINTR, partial(peers.pointr, "GRNet", 1, gridding_loss_scales=32), double=True
    ),
    "FoldingNet": Network(POINTR, partial(peers.pointr, "FoldingNet", num_pred=1024)),
    "SnowflakeNet": Network("AllenXiangX/SnowflakeNet", peers.snowflake),
    "SeedFormer": Network("hrzhou2/seedformer", peers.seedformer, "codes"),
    "MSN": Network("Colin97/MSN-Point-Cloud-Completion", peers.msn),
    "ECG": Network(
        "paul007pl/MVP_Benchmark",
        partial(peers.mvp, "ecg"),
        "completion",
        ("mmcv.ops", "mmcv.cnn", "mmcv.runner"),
    ),
    "LION, its VAE": Network("nv-tlabs/LION", peers.lion, absent=("comet_ml", "wandb", "calmsize")),
    "Point-MAE": Network(
        "Pang-Yatian/Point-MAE", partial(peers.point_mae, "Point_MAE", "cfgs/pretrain.yaml")
    ),
    "Point-M2AE": Network(
        "ZrrSkywalker/Point-M2AE",
        partial(peers.point_mae, "Point_M2AE", "cfgs/pre-training/point-m2ae.yaml"),
        double=True,
    ),
    "Point-BERT": Network(
        "lulutang0608/Point-BERT",
        partial(peers.point_mae, "DiscreteVAE", "cfgs/ShapeNet55_models/dvae.yaml", num_tokens=512),
    ),
    "PointNet++ of classes": Network(
        POINTNET2,
        partial(peers.pointnet2, "msg_cls", "PointNet2ClassificationMSG", 6),
        absent=LIGHTNING,
    ),
    "PointNet++ of scenes": Network(
        POINTNET2, partial(peers.pointnet2, "ssg_sem", "PointNet2SemSegSSG", 9), absent=LIGHTNING
    ),
    "PointNet++ of KITTI": Network(
        "sshaoshuai/Pointnet2.PyTorch", peers.pointnet2_kitti, double=True
    ),
    "PointMLP": Network("ma-xu/pointMLP-pytorch", peers.pointmlp, "classification_ModelNet40"),
    "PointNeXt": Network("guochengqian/openpoints", peers.pointnext, ".."),
    "VoteNet": Network("facebookresearch/votenet", peers.votenet, absent=("plyfile", "trimesh")),
    "Point Transformer, of Pointcept": Network(
        POINTCEPT,
        partial(peers.pointcept, "point_transformer", "seg.PointTransformerSeg26"),
        double=True,
    ),
    "Point Transformer V2": Network(
        POINTCEPT,
        partial(
            peers.pointcept,
            "point_transformer_v2",
            "v2m2_base.PointTransformerV2",
        ),
    ),
    "Point Transformer": Network(
        "POSTECH-CVLab/point-transformer",
        partial(
            peers.packed,
            "model.pointtransformer.pointtransformer_seg",
            "pointtransformer_seg_repro",
            c=6,
            k=13,
        ),
        double=True,
    ),
    "RepSurf of scenes": Network("hancyran/RepSurf", peers.repsurf_scenes, "segmentation"),
    "RepSurf of classes": Network("hancyran/RepSurf", peers.repsurf_classes, "classification"),
    "PAConv": Network(
        "CVMI-Lab/PAConv",
        partial(
            peers.batches,
            "model.pointnet2.pointnet2_paconv_seg",
            "PointNet2SSGSeg",
            *(2, 512, 9),
            c=6,
            k=13,
            args=PACONV,
        ),
        "scene_seg",
    ),
    "PVD": Network("alexzhou907/PVD", peers.pvd, absent=("open3d", "trimesh", "mitsuba")),
    "PVCNN++": Network(
        "mit-han-lab/pvcnn",
        partial(peers.batches, "models.s3dis.pvcnnpp", "PVCNN2", 1, 9, 1024, num_classes=13),
    ),
    "GeoTransformer": Network(
        "qinzheng93/GeoTransformer",
        peers.geotransformer,
        EXPERIMENT,
        ("open3d", "ipdb", "IPython", "nibabel", "coloredlogs"),
        double=True,
    ),
    "HRegNet": Network("ispc-lab/HRegNet", peers.hregnet, double=True),
    "SpinNet": Network("QingyongHu/SpinNet", peers.spinnet, absent=("open3d",)),
}


def seed(number: int) -> None:
    """For every source of random numbers that networks draw from."""
    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)


def measure(folder: Path, name: str, plain: bool, file: str) -> None:
    """Run one network in this process, and save what it answers."""
    called = count(ops, OPERATORS)  # before nvc3d.compat takes any of them
    defined = import_module("plain_peers").use() if plain else {}
    import_module("nvc3d.compat").install()
    network = NETWORKS[name]
    for absent in network.absent:
        peers.stand_in(absent)
    repository = folder / network.repository.partition("/")[2]
    os.chdir(repository / network.folder)
    sys.path[:0] = [str(Path.cwd()), str(repository)]
    sys.argv = sys.argv[:1]
    if network.double:
        torch.set_default_dtype(torch.float64)
        vars(torch.cuda)["FloatTensor"] = torch.DoubleTensor  # which peers make answers of
    seed(0)
    model, run = network.build()
    model.train()
    seed(1)
    before = time.process_time()
    found = run()
    sum(value.sum() for value in found).backward()  # type: ignore[union-attr]
    answer = {
        "found": [value.detach() for value in found],
        "grads": {n: p.grad for n, p in model.named_parameters() if p.grad is not None},
        "seconds": time.process_time() - before,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "called": sum(called.values()),
        "defined": sum(defined.values()),
    }
    torch.save(answer, file)


def apart(ours: Tensor, plain: Tensor, scale: Tensor) -> float:
    if not bool(ours.isfinite().all() and plain.isfinite().all()):
        return math.inf
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
    if not ours["called"] or ours["defined"] or plain_["called"] or not plain_["defined"]:
        calls = [(answer["called"], answer["defined"]) for answer in answers]
        return f"| {name} | failed: calls of ours and of plain definitions were {calls} |"
    found = max(apart(a, b, b) for a, b in zip(ours["found"], plain_["found"], strict=True))
    assert ours["grads"].keys() == plain_["grads"].keys()
    largest = torch.stack([grad.abs().max() for grad in plain_["grads"].values()]).max()
    grads = max(apart(g, plain_["grads"][n], largest) for n, g in ours["grads"].items())
    costs = (f"{a['seconds']:.2f} | {a['memory']:.0f}" for a in answers)
    calls_ = f"{ours['called']} | {plain_['defined']}"
    network = NETWORKS[name]
    title = f"{name}{' *' if network.double else ''} ({network.repository})"
    return f"| {title} | {calls_} | {found:.1e} | {grads:.1e} | {' | '.join(costs)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(NETWORKS))
    options = parser.parse_args()
    print("| network | calls, ours | plain | answers | gradients | ours, s | MB | plain, s | MB |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.names or NETWORKS:
        print(compare(options.folder.resolve(), name), flush=True)


if __name__ == "__main__":
    main()
