"""`install()` and `python -m nvc3d.compat run`: a peer's script, as it is, on our modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from nvc3d.compat import install
from nvc3d.compat.__main__ import main

SCRIPT = """
import sys
import torch
from pointnet2_ops import pointnet2_utils
from pointnet2_ops.pointnet2_modules import PointnetSAModule
from knn_cuda import KNN
from lib.pointops.functions import pointops as own
import pointops, pointops2.pointops, chamfer
from models.Chamfer3D.dist_chamfer_3D import chamfer_3DDist
from extensions.chamfer_dist import ChamferDistanceL1
from extensions.emd.emd_module import emdModule
from extensions.emd.emd import earth_mover_distance
from models.pointnet2 import _ext
from torch_cluster import fps
from pytorch3d.ops import knn_points
from pytorch3d.loss.chamfer import chamfer_distance
from torch_scatter import scatter_max
from torch.utils.cpp_extension import load
from torch_cluster import graclus_cluster
import models.own, extensions.chamfer_dist.own

assert own.pointops_cuda is sys.modules["pointops_cuda"]
assert load("chamfer_3D", ["absent.cu"]) is sys.modules["chamfer_3D"]
assert models.own.VALUE == 7 and __name__ == "__main__"
assert sys.argv[1:] == ["--lr", "0.1"], sys.argv
points = torch.rand(2, 64, 3, device="cuda" if not torch.cuda.is_available() else "cpu").cuda()
assert points.is_cuda
asked_by_spconv = eval("points.is_cuda", {"__name__": "spconv.pytorch.ops", "points": points})
assert asked_by_spconv == torch.cuda.is_available()
assert isinstance(torch.cuda.current_stream().cuda_stream, int)
layer = PointnetSAModule([3, 8], npoint=16, radius=0.3, nsample=8).cuda()
assert pointnet2_utils.ball_query(1, 4, points, points).dtype == torch.int32
centres, found = layer(points, points.transpose(1, 2).to("cuda"))
ChamferDistanceL1()(centres, points).add(found.sum()).backward()

class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        return grad + torch.zeros_like(grad, device="cuda" if grad.is_cuda else "cpu") + grad

x = torch.ones(3, device="cuda", requires_grad=True)
Double.apply(x).sum().backward()
assert torch.equal(x.grad, 2 * torch.ones_like(x))
gaps = torch.rand(4, 4, device="cuda")[:, :2]
assert gaps.cuda().is_contiguous() or gaps.device.type == "cuda"
with torch.cuda.device(0):
    assert torch.rand(2).pin_memory().type("torch.cuda.DoubleTensor").dtype == torch.float64
assert "IntTensor" in dir(torch.cuda) and torch.cuda.IntTensor(2, 3).zero_().shape == (2, 3)
assert not hasattr(pointops, 'no_such_function')
try:
    graclus_cluster(points)
except NotImplementedError as error:
    print(error)
"""


def repository(folder: Path) -> Path:
    """Copies of peers that cannot be imported, as they lie in repositories."""
    fails = "raise ImportError('CUDA is missing')"
    for name in (
        "models/Chamfer3D/dist_chamfer_3D.py",
        "extensions/chamfer_dist/__init__.py",
        "extensions/chamfer_dist/own.py",
        "extensions/emd/emd_module.py",
        "extensions/emd/emd.py",
        "models/pointnet2/__init__.py",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if "own" in name or "models/pointnet2/" in name else fails)
    (folder / "models" / "own.py").write_text("VALUE = 7\n")
    own = folder / "lib/pointops/functions/pointops.py"
    own.parent.mkdir(parents=True)
    own.write_text("import pointops_cuda\n")
    (folder / "train.py").write_text(SCRIPT)
    return folder


def test_a_script_runs_as_it_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nvc3d.compat", "run", "train.py", "--lr", "0.1"]
    folder = repository(tmp_path)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["nvc3d.compat has no torch_cluster.graclus_cluster"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["run", "nowhere.py"], "nowhere.py is not a file"), ([], "usage"), (["run", "-h"], "usage")],
)
def test_what_cannot_be_run(arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main(arguments)


def test_install_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "knn_cuda", ModuleType("knn_cuda"))
    with pytest.raises(RuntimeError, match="must come before the import of knn_cuda"):
        install()
