"""Training in several processes, which a real launcher starts: what happens to one of them the
others learn, and nobody waits for ever."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from test_train import PLANE, PlaneConfig, contents, run

import nvc3d
from nvc3d.checkpoint import load_run, load_state
from nvc3d.tasks import TASKS
from nvc3d.train import train

pytestmark = pytest.mark.slow
SECONDS = 200  # what takes longer hangs
# The toy task as if it were one of the package's.
PREAMBLE = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_train as t
t.TASKS["plane"] = t.PLANE
rank = int(os.environ.get("RANK", 0))
"""
COMMAND = PREAMBLE + "from nvc3d.cli import main\nsys.exit(main(sys.argv[1:]))\n"
PLANE_OPTIONS = ("train", "plane", "--steps=100000", "--batch-size=8", "--save-every=5")


class Launch:
    """A script in several processes, or in one; its output at the end."""

    def __init__(
        self, script: str, folder: Path, *arguments: object, count: int = 2, restarts: int = 0
    ) -> None:
        path = folder / "script.py"
        path.write_text(script)
        command = [sys.executable]
        if count > 1:
            command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
            command += [f"--max-restarts={restarts}"]
        self.process = subprocess.Popen(
            [*command, str(path), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ
            | {
                "PYTHONPATH": str(Path(nvc3d.__file__).parents[1]),
                "OMP_NUM_THREADS": "1",
            },
            start_new_session=True,
        )

    def family(self) -> list[psutil.Process]:
        """All processes that it started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def rank(self, which: int) -> psutil.Process:
        """The process of a rank, without those that prepare data for it."""
        members = psutil.Process(self.process.pid).children()
        return next(p for p in members if p.environ().get("RANK") == str(which))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(self.end()[2])
            time.sleep(0.05)

    def end(self) -> tuple[int, str, str]:
        """Exit code, output and errors; fails where it hangs."""
        try:
            out, error = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            for member in [*self.family(), self.process]:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            pytest.fail("it hangs: " + self.process.communicate()[1][-3000:])
        return self.process.returncode, out, error


@pytest.fixture(autouse=True)
def plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "plane", PLANE)


def said(error: str) -> list[str]:
    """The lines that nvc3d itself wrote."""
    return [line for line in error.replace("\r", "\n").splitlines() if line.startswith("nvc3d: ")]


TRAININGS = """
import json, signal, warnings
from dataclasses import replace
from pathlib import Path
import torch
from nvc3d import checkpoint, journal
import nvc3d.train
warnings.simplefilter("ignore")
folder, found, losses = Path(sys.argv[1]), {}, []
shown = journal.Journal.losses
def note(self, step, part, values, rate):
    losses.append(values["total"])
    shown(self, step, part, values, rate)
journal.Journal.losses = note

def attempt(name, run, **how):
    try:
        found[name] = t.train(run, folder / name.split()[0], progress=False, **how).step
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"
def task(**parts):
    return replace(t.run(20), task=replace(t.PLANE, **parts))
class Noted(t.Plane):  # remembers what it alone has seen
    def __init__(self, noise):
        super().__init__(noise)
        self.register_buffer("seen", torch.zeros(()))
    def forward(self, x):
        if self.training:
            self.seen += x.sum().detach()
        return super().forward(x)
noted = task(model=lambda config, vocabulary: Noted(config.noise))

attempt("curve", t.run(20, t.PlaneConfig(noise=0.0)))
found["losses"] = losses[:]
choices = dict(accumulate=2, ema=0.5, patience=50, on_nan="skip", keep=2)
attempt("parts", t.run(20, t.PlaneConfig(noise=0.0), **choices))
attempt("whole", noted)
attempt("half", t.interrupt_at(11, signal.SIGTERM, noted) if rank == 1 else noted)
attempt("half again", noted, resume=True)
attempt("whole twice", t.run(20))

class Broken(t.Points):
    def __getitem__(self, index):
        if rank == 1 and self.epoch == 1:
            raise OSError("broken.ply cannot be read")
        return super().__getitem__(index)
def broken(config):
    return replace(t._data(config), train=Broken(config, config.samples))
attempt("file", task(data=broken))
def odd(model, batch):
    if rank == 1 and model.training and int(model.steps) == 5:
        raise ValueError("an odd shape")
    return t._loss(model, batch)
attempt("step", task(loss=odd))
def unmeasured(model, batch):
    if not model.training:
        raise ValueError("nothing to validate")
    return t._loss(model, batch)
attempt("validation", task(loss=unmeasured))
def missing(config):
    if rank == 1:
        raise FileNotFoundError("there is no such folder here")
    return t._data(config)
attempt("data", task(data=missing))
attempt("nan", t.run(20, t.PlaneConfig(bad_at=20)))
attempt("few", t.run(20, t.PlaneConfig(samples=1)))
save, saved = nvc3d.train.trainer.save_state, 0
def full(state, path):
    global saved
    saved += 1
    if saved > 1:
        raise OSError(28, "No space left on device")
    save(state, path)
nvc3d.train.trainer.save_state = full
attempt("disk", t.run(20))
Path(sys.argv[1], f"found{rank}.json").write_text(json.dumps(found))
threads = [p.read_text() for p in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in thread for thread in threads), threads
"""


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several trainings by the same two processes, one after the other."""
    folder = tmp_path_factory.mktemp("trainings")
    code, _, error = Launch(PREAMBLE + TRAININGS, folder, folder).end()
    assert code == 0, error
    return folder


def outcome(trainings: Path, name: str) -> list[object]:
    return [json.loads((trainings / f"found{i}.json").read_text())[name] for i in range(2)]


def test_two_processes_have_the_curve_of_one(trainings: Path, tmp_path: Path) -> None:
    train(run(20, PlaneConfig(noise=0.0)), tmp_path, progress=False)
    torch.testing.assert_close(
        contents(tmp_path), contents(trainings / "curve"), rtol=1e-5, atol=1e-5
    )
    # Shown are the losses of the whole batch, not of one process's share.
    two = outcome(trainings, "losses")
    assert two[0] == two[1] and len(two[0]) == 20  # type: ignore[arg-type]


def test_parts_and_means_are_those_of_one_process(trainings: Path, tmp_path: Path) -> None:
    assert outcome(trainings, "parts") == [20, 20]
    train(run(20, PlaneConfig(noise=0.0), accumulate=2, ema=0.5), tmp_path, progress=False)
    torch.testing.assert_close(
        contents(tmp_path), contents(trainings / "parts"), rtol=1e-5, atol=1e-5
    )


def test_a_resumed_run_of_two_processes_has_the_same_bits(trainings: Path) -> None:
    assert outcome(trainings, "half") == [11, 11]  # one of them got the signal
    assert outcome(trainings, "half again") == [20, 20]
    whole, halves = contents_of(trainings / "whole"), contents_of(trainings / "half")
    for one, other in zip(whole, halves, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    # What a process remembers is its own: nobody wrote the main one's over it.
    assert not torch.equal(whole[0]["seen"], whole[1]["seen"])


def contents_of(folder: Path) -> list[dict[str, torch.Tensor]]:
    """The state of every process's model and random numbers."""
    state = load_state(folder / "state.pt")
    assert len(state["random"]) == 2
    own = [state["model"], *state["others"]]
    return [one | {"torch": r["torch"]} for one, r in zip(own, state["random"], strict=True)]


@pytest.mark.parametrize(
    ("name", "which", "message"),
    [
        ("whole twice", 0, "CheckpointError: .* holds a run already"),
        ("file", 1, "OSError: broken.ply cannot be read"),
        ("step", 1, "ValueError: an odd shape"),
        ("validation", 0, "ValueError: nothing to validate"),
        ("data", 1, "FileNotFoundError: there is no such folder here"),
        ("disk", 0, r"OSError: \[Errno 28\] No space left on device"),
    ],
)
def test_what_fails_on_one_process_ends_all(
    trainings: Path, name: str, which: int, message: str
) -> None:
    found = outcome(trainings, name)
    why = message.partition(": ")[2]
    assert_like(found[which], message)
    assert_like(found[1 - which], f"ProcessFailed: process {which} failed: {why}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nan", "NonFiniteLoss: training diverged at step"),
        ("few", "ValueError: 2 processes share each batch, .* at least 2, got 8 and 1"),
    ],
)
def test_what_fails_on_all_is_told_by_each(trainings: Path, name: str, message: str) -> None:
    for found in outcome(trainings, name):
        assert_like(found, message)


def assert_like(found: object, message: str) -> None:
    assert re.match(message, str(found)), found


def test_the_last_good_checkpoint_outlives_a_full_disk(trainings: Path) -> None:
    assert load_state(trainings / "disk" / "state.pt")["step"] == 7
    assert not list((trainings / "disk").glob(".*"))


def test_another_number_of_processes_goes_on(trainings: Path) -> None:
    folder = trainings / "curve"
    assert train(run(25), folder, resume=True, progress=False).step == 25


TASK = """
from nvc3d.cli import main
small = [f"--data={sys.argv[1]}/shapes", "--holdout=0.25", "--views=1", "--input-points=32"]
small += ["--points=64", "--seeds=16", "--coarse=8", "--hidden=8", "--dim=16", "--latent-dim=4"]
small += ["--anchors=2", "--batch-size=4"]
for kind in ("nebula", "vae"):
    run = os.path.join(sys.argv[1], kind)
    options = [f"--bottleneck={kind}", f"--output={run}", "--steps=7", "--save-every=3"]
    assert main(["train", "completion", *small, *options]) == 0
assert main(["train", "completion", f"--resume={run}", "--steps=8"]) == 0
codes = []
for arguments in (["train", "completion", f"--output={run}"], ["eval", f"--checkpoint={run}"]):
    try:
        codes.append(main(arguments))
    except SystemExit as end:
        codes.append(end.code)
assert codes == [2, 2], codes
"""


def test_real_tasks_get_past_checkpoints_and_speak_with_one_voice(tmp_path: Path) -> None:
    (tmp_path / "shapes").mkdir()
    for i in range(8):
        corners = f"0 0 0 {i + 1} 0 0 0 1 0 0 0 1".split()
        points = "\n".join(" ".join(corners[j : j + 3]) for j in range(0, 12, 3))
        faces = "3 0 1 2\n3 0 1 3\n3 0 2 3\n3 1 2 3"
        (tmp_path / "shapes" / f"{i}.off").write_text(f"OFF\n4 4 0\n{points}\n{faces}\n")
    (tmp_path / "shapes" / "broken.off").write_text("OFF\n4 4 0\n")
    code, out, error = Launch(PREAMBLE + TASK, tmp_path, tmp_path).end()
    assert code == 0, error
    for kind, steps in (("nebula", 7), ("vae", 8)):
        assert load_run(tmp_path / kind)[0].config.bottleneck == kind
        state = load_state(tmp_path / kind / "state.pt")
        assert state["step"] == steps and len(state["others"]) == 1
        assert (tmp_path / kind / "latents.png").is_file()
    assert out.count("Written to") == 3
    warning, twice, one_only = sorted(set(said(error)), key=said(error).index)
    assert "broken.off" in warning and said(error).count(warning) == 3  # once a training
    assert "holds a run already" in twice and said(error).count(twice) == 1
    assert "nvc3d eval runs in one process" in one_only and said(error).count(one_only) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_a_signal_to_the_whole_group_is_a_checkpoint(tmp_path: Path, count: int) -> None:
    """As batch systems send it: to the launcher, the trainers, and those who prepare data, and
    some of it twice."""
    folder = tmp_path / "run"
    options = (*PLANE_OPTIONS, "--workers=1", f"--output={folder}")
    launch = Launch(COMMAND, tmp_path, *options, count=count)
    launch.wait_for((folder / "model.safetensors").exists)
    for member in [*launch.family(), psutil.Process(launch.process.pid)] * 2:
        with suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGTERM)
    code, _, error = launch.end()
    assert code == (130 if count == 1 else 1)  # torchrun has a code of its own
    assert error.count("Stopped at step") == 1, error
    state = load_state(folder / "state.pt")
    assert f"Stopped at step {state['step']}, saved" in error
    assert f"nvc3d train plane --resume {folder}" in error


def test_a_killed_process_ends_the_others_and_blocks_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    launch = Launch(COMMAND, tmp_path, *PLANE_OPTIONS, f"--output={folder}")
    launch.wait_for((folder / "model.safetensors").exists)
    launch.rank(0).kill()
    code, _, error = launch.end()
    assert code == 1
    assert len(said(error)) == 1 and "another process of this run was lost" in error
    step = load_state(folder / "state.pt")["step"]
    assert train(run(step + 1), folder, resume=True, progress=False).step == step + 1


FATAL = """
from nvc3d.cli import main
from nvc3d.train import Trainer
advance = Trainer.advance
def fatal(self, batch, rate):
    if self.step == 12 and rank == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os._exit(7)
    return advance(self, batch, rate)
Trainer.advance = fatal
sys.exit(main(sys.argv[1:]))
"""


def test_what_a_launcher_starts_anew_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    options = ("train", "plane", "--steps=20", "--batch-size=8", "--save-every=5")
    folder = tmp_path / "run"
    code, _, error = Launch(
        PREAMBLE + FATAL, tmp_path, *options, f"--output={folder}", restarts=1
    ).end()
    assert code == 0, error
    assert load_state(folder / "state.pt")["step"] == 20
    rows = (folder / "losses.csv").read_text()
    assert rows.count("\n5,") == rows.count("\n10,validation") == 1  # saved, and not done again
