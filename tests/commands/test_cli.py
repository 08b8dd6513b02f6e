"""The command line, as a user types it: what it writes, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from nvc3d import __version__, extras
from nvc3d.checkpoint import load_config, load_state
from nvc3d.cli import main
from nvc3d.commands import doctor
from nvc3d.commands.train import parse
from nvc3d.files import read_shape, write_cloud
from nvc3d.geometry.camera import DepthCamera

INPUT_POINTS = 64
SMALL = [
    *(f"--input-points={INPUT_POINTS}", "--points=128", "--seeds=32", "--coarse=16", "--dim=16"),
    *("--latent-dim=8", "--anchors=4", "--hidden=16", "--views=1", "--batch-size=4"),
    "--holdout=0.34",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six boxes as OBJ files with quads, and one file that is broken."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for i in range(6):
        sides = rng.uniform(0.5, 2, 3)
        corners = [[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)] * sides
        quads = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
        lines = [f"v {x} {y} {z}" for x, y, z in corners] + [f"f {quad}" for quad in quads]
        (folder / f"box{i}.obj").write_text("\n".join(lines) + "\n")
    (folder / "broken.obj").write_text("v 1 2\nf 1 2 3\n")
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder."""
    run = tmp_path_factory.mktemp("run") / "x"
    code = main(["train", "completion", f"--data={folder}", f"--output={run}", "--steps=4", *SMALL])
    assert code == 0
    return run


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence that a command says when it ends with exit code 2."""
    capsys.readouterr()
    assert main([str(a) for a in arguments]) == 2
    error = capsys.readouterr().err
    said = [line for line in error.splitlines() if line.startswith("nvc3d: error: ")]
    assert len(said) == 1 and "Traceback" not in error
    return said[0]


def test_help_and_version_do_not_wait_for_torch() -> None:
    code = (
        "import sys; from nvc3d.cli import main; code = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules; sys.exit(code)"
    )
    for arguments, expected in (
        (["--help"], "complete"),
        ([], "usage: nvc3d COMMAND"),
        (["--version"], __version__),
    ):
        command = [sys.executable, "-c", code, *arguments]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert expected in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["doctor", "--help"], "--json"),
        (["demo", "--help"], "--minutes"),
        (["eval", "--help"], "--checkpoint"),
        (["complete", "--help"], "--output"),
        (["train", "completion", "--help"], "--learning-rate"),
    ],
)
def test_every_command_has_help(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code
    assert expected in capsys.readouterr().out


def test_train_lists_its_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    assert "completion" in capsys.readouterr().out


def test_doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(extras.EXTRAS, "origami", ("no_such_package",))
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert re.search(rf"torch +{re.escape(torch.__version__)}", text)
    assert re.search(r"no_such_package +missing: pip install 'nvc3d\[origami\]'", text)
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["nvc3d"] == __version__
    assert findings["extras"]["origami"] == {"no_such_package": None}
    assert isinstance(findings["operators"]["compiled"], bool)


@pytest.mark.parametrize(
    ("capability", "driver", "told"),
    [
        ((8, 9), "12.0", "run"),
        ((7, 5), "12.4", "run"),
        ((9, 0), "13.0", "run"),
        ((12, 0), "12.8", "run; at first use the driver compiles them for sm_120"),
        (
            (12, 0),
            "12.2",
            "do not run: the driver must compile them for sm_120, and knows CUDA 12.2",
        ),
        ((7, 0), "12.8", "do not run: they are built for sm_75, sm_80, sm_90; install nvc3d"),
    ],
)
def test_doctor_says_for_each_gpu_whether_the_kernels_run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    capability: tuple[int, int],
    driver: str,
    told: str,
) -> None:
    kernels = {"cuda": True, "cuda_obstacle": "", "cuda_runtime": "12.4", "cuda_driver": driver}
    kernels |= {
        "compiled": True,
        "reason": "",
        "path": "_C.abi3.so",
        "cuda_architectures": [75, 80, 90],
    }
    kernels |= {"isa": "avx2", "available_isas": ["avx2"]}
    monkeypatch.setattr(doctor, "_operators", lambda: kernels)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Some GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: capability)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    number = "".join(map(str, capability))
    assert f"cuda:0                   Some GPU (sm_{number}): the CUDA kernels {told}" in text
    assert (
        f"built with CUDA 12.4 for sm_75, sm_80, sm_90 and newer; the driver knows CUDA {driver}"
        in text
    )
    monkeypatch.setattr("nvc3d.ops.hardware.RUN_ON", "")
    kernels |= {"cuda": False, "cuda_obstacle": "torch is built for ROCm"}
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "the CUDA kernels do not run: torch is built for ROCm" in text
    assert "not active: torch is built for ROCm (built with CUDA 12.4" in text
    assert "CUDA kernels tested      emulated on CPUs, not yet run on hardware" in text
    monkeypatch.setattr("nvc3d.ops.hardware.RUN_ON", "Some GPU")
    assert main(["doctor"]) == 0
    assert "CUDA kernels tested      on Some GPU" in capsys.readouterr().out


def test_doctor_needs_only_torch_and_numpy() -> None:
    absent = {package for packages in extras.EXTRAS.values() for package in packages}
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if {{name, name.partition('.')[0]}} & {absent}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import importlib.util\n"
        "spec = importlib.util.find_spec\n"
        "def find_spec(name):\n"
        "    try: return spec(name)\n"
        "    except ModuleNotFoundError: return None\n"
        "importlib.util.find_spec = find_spec\n"
        "from nvc3d.cli import main\n"
        "sys.exit(main(['doctor']))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("missing: pip install") == sum(map(len, extras.EXTRAS.values()))


def test_a_run_can_be_repeated_from_its_config(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "completion", f"--config={trained / 'config.json'}"]) == 0
    again = tmp_path / "runs" / "completion"
    for part in ("config", "training", "vocabulary"):
        assert getattr(load_config(again), part) == getattr(load_config(trained), part)
    for name in ("model.safetensors", "metrics.json"):
        assert (again / name).read_bytes() == (trained / name).read_bytes()
    assert main(["train", "completion", f"--config={trained}", "--steps=1"]) == 0
    assert load_config(tmp_path / "runs" / "completion-2").training.steps == 1


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_end(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "long"
    command = [sys.executable, "-m", "nvc3d", "train", "completion", f"--config={trained}"]
    command += [f"--output={run}", "--steps=1000000", "--save-every=1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (run / "model.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert f"nvc3d train completion --resume {run}" in error and "Traceback" not in error
    step = load_state(run / "state.pt")["step"]
    assert main(["train", "completion", f"--resume={run}", f"--steps={step + 3}"]) == 0
    assert load_state(run / "state.pt")["step"] == step + 3
    assert load_config(run).training.steps == step + 3


def test_eval_measures_what_was_kept_out(
    trained: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", f"--checkpoint={trained}", "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)
    measured = json.loads((trained / "metrics.json").read_text())
    assert measured["step"] == 4 and tables == {name: measured[name] for name in tables}
    assert main(["eval", f"--checkpoint={trained}", f"--data={folder}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == tables
    assert main(["eval", f"--checkpoint={trained}", f"--data={folder / 'box0.obj'}"]) == 0
    text = capsys.readouterr().out
    assert "CD-L2" in text and "partial input" in text and "mean training shape" in text


def test_complete_answers_where_the_scan_is(trained: Path, folder: Path, tmp_path: Path) -> None:
    mesh = read_shape(folder / "box0.obj")
    scan = DepthCamera().view(mesh, np.array([1.0, 0.5, 0.3]), np.random.default_rng(0))
    write_cloud(tmp_path / "scan.ply", scan)
    offset = np.array([4e5, 5e6, 100.0])
    write_cloud(tmp_path / "moved.npy", scan.astype(np.float64) * 1000 + offset)
    results = {}
    for name, suffix in (("scan.ply", ".pcd"), ("moved.npy", ".npy")):
        out = tmp_path / f"out{suffix}"
        out.write_text("to be replaced")
        arguments = ["complete", tmp_path / name, "--checkpoint", trained, "--output", out]
        assert main(list(map(str, arguments))) == 0
        results[suffix] = out
    completed = read_shape(results[".pcd"]).points
    # All that was seen, and what was laid beside it.
    np.testing.assert_array_equal(completed[: len(scan)], scan)
    assert len(completed) == len(scan) + 128 - INPUT_POINTS
    moved = (np.load(results[".npy"]) - offset) / 1000
    np.testing.assert_allclose(moved, completed, atol=2e-3)
    assert not list(tmp_path.glob(".*"))


def test_one_broken_file_does_not_stop_the_others(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [folder / "box0.obj", folder / "broken.obj", tmp_path / "none.ply", folder / "box1.obj"]
    arguments = ["complete", *files, "--checkpoint", trained, "--output", tmp_path]
    assert main(list(map(str, arguments))) == 2
    error = capsys.readouterr().err
    assert "broken.obj" in error and "none.ply" in error
    assert "2 of 4 files could not be completed" in error
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"box0-completed.ply", "box1-completed.ply"}


def test_a_folder_is_completed_into_a_folder(
    trained: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    (scans / "deep").mkdir(parents=True)
    out.mkdir()
    for place in ("a.ply", "deep/a.ply", "deep/b.xyz"):
        write_cloud(scans / place, np.random.default_rng(0).random((200, 3)))
    (scans / "broken.obj").write_text("f 1 2 3")
    arguments = ["complete", scans, "--checkpoint", trained, "--output", out]
    assert main(list(map(str, arguments))) == 2
    assert "1 of 4 files could not be completed" in capsys.readouterr().err
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.ply"))
    assert found == ["a-completed.ply", "deep/a-completed.ply", "deep/b-completed.ply"]
    (tmp_path / "empty").mkdir()
    arguments[1] = tmp_path / "empty"
    assert main(list(map(str, arguments))) == 2
    assert "holds no file of a known kind" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frobnicate", "unknown command 'frobnicate'"),
        ("trian", "did you mean train"),
        ("--frobnicate", "unknown option '--frobnicate'"),
        ("doctor --frobnicate", "unrecognized arguments: --frobnicate"),
        ("eval", "required: --checkpoint"),
        ("eval --checkpoint none", "no run of nvc3d at none"),
        ("eval --checkpoint {run} --data none", "none"),
        ("train origami", "unknown task 'origami'; tasks: classification"),
        ("train completion --stepz 3", "--stepz.*did you mean --steps"),
        ("train completion --steps many", "error: --steps must be a whole number, got 'many' "),
        ("train completion --learning-rate x", "error: --learning-rate must be a number, got 'x' "),
        ("train completion --max-minutes x", r"error: --max-minutes must be \S+FLOAT, got 'x' "),
        ("train voxel_completion --size a b c", "error: --size cannot be 'a', 'b', 'c' "),
        ("train completion --points 1000", "error: seeds must divide points"),
        ("train completion --steps=-3", "error: steps must be at least 1, got -3"),
        ("train completion --precision float8", "--precision"),
        ("train completion --precision float16", "needs a GPU"),
        ("train completion --max-minutes nan", "max_minutes must be above 0"),
        ("train completion --points 63", "points"),
        ("train completion surplus", "surplus"),
        ("train completion --config none", "none"),
        ("train completion --resume none", "none"),
        ("train completion --data none --output new", "none"),
        ("train completion --output {run}", "holds a run already"),
        ("train completion --output {file}", "is a file"),
        ("train completion --output {file}/x", "cannot write into the folder"),
        ("train completion --resume {run} --output new", "leave out --output"),
        ("train completion --resume {run} --config {run}", "give one"),
        ("train completion --resume {run} --dim 32", "does not fit this run"),
        ("demo --minutes 0", "max_minutes must be above 0"),
        ("demo --minutes soon", "--minutes: invalid float value: 'soon'"),
        ("demo --output {file}", "is a file"),
        ("demo --output {run}", "holds a run already"),
        ("complete", "required: FILE"),
        ("complete none.ply --checkpoint {run} --output new.ply", "none.ply"),
        ("complete {file} --checkpoint none --output new.ply", "no run of nvc3d at none"),
        ("complete {file} --checkpoint {run} --output new.xyzzy", "cannot write this kind"),
        ("complete {file} --checkpoint {run} --output none/new.ply", "none/new.ply"),
        ("complete {broken} --checkpoint {run} --output new.ply", "broken.obj"),
        ("complete {file} {broken} --checkpoint {run} --output new.ply", "must be a folder"),
    ],
)
def test_bad_input_gets_one_sentence(
    arguments: str,
    message: str,
    trained: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    words = arguments.format(run=run, file=folder / "box0.obj", broken=folder / "broken.obj")
    assert re.search(message, fails(capsys, *words.split()))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format": "1"}'])
def test_a_damaged_checkpoint_gets_one_sentence(
    content: bytes, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("config.json", "model.safetensors"):
        run = tmp_path / name
        shutil.copytree(trained, run)
        (run / name).write_bytes(content)
        assert name in fails(capsys, "eval", "--checkpoint", run)


def test_a_newer_checkpoint_gets_one_sentence(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    values = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**values, "format": 99}))
    said = fails(capsys, "eval", "--checkpoint", run)
    assert "newer nvc3d" in said and "pip install --upgrade nvc3d" in said


def test_a_missing_extra_is_named_with_its_command(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda n: None if n == "safetensors" else found(n))
    assert "pip install 'nvc3d[tasks]'" in fails(capsys, "eval", "--checkpoint", trained)


def test_an_output_that_is_cut_off_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        result = subprocess.run(
            [sys.executable, "-m", "nvc3d", "doctor"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert "Traceback" not in result.stderr and "Exception" not in result.stderr


def test_the_commands_for_sets_at_home_are_understood() -> None:
    page = (Path(__file__).parents[2] / "docs" / "real.md").read_text()
    commands = re.findall(r"`nvc3d train (\S+) ([^`]+)`", page)
    assert len(commands) > 5
    for task, options in commands:
        parsed = parse(task, options.split())
        assert parsed.task.data == options.split()[1]
