"""Who may write to a run folder, and that no end of a run makes one useless."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_processes import COMMAND, PREAMBLE, Launch, said
from test_train import PLANE, _metrics, run

from nvc3d.checkpoint import load_run, load_state
from nvc3d.claim import FolderInUse, claimed
from nvc3d.cli import main
from nvc3d.tasks import TASKS, Batch, Measured
from nvc3d.train import train

HOLD = """
import sys, time
from pathlib import Path
from nvc3d.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
RACE = (
    PREAMBLE
    + """
import time
from pathlib import Path
from nvc3d.cli import main
import nvc3d.commands.train, accelerate, tqdm, tyro
os.chdir(sys.argv[1])
Path(f"ready{os.getpid()}").touch()
while len(list(Path().glob("ready*"))) < 2:
    pass
small = ["train", "plane", "--steps=40", "--batch-size=8"]
print("codes", main([*small, "--output=one"]), main(small))
"""
)


@pytest.fixture(autouse=True)
def plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "plane", PLANE)


def command(*options: str) -> int:
    return main(["train", "plane", "--steps=4", "--batch-size=8", *options])


@pytest.mark.slow
def test_two_runs_started_at_once_never_share_a_folder(tmp_path: Path) -> None:
    launches = [Launch(RACE, tmp_path, tmp_path, count=1) for _ in range(2)]
    ends = [launch.end() for launch in launches]
    assert sorted(out.split("codes ")[1].strip() for _, out, _ in ends) == ["0 0", "2 0"], ends
    loser = next(error for _, out, error in ends if "codes 2" in out)
    # Unless the other was done before it looked.
    expected = "is being written by process", "holds a run already"
    assert any(words in said(loser)[0] for words in expected)
    for name in ("one", "runs/plane", "runs/plane-2"):
        assert load_state(tmp_path / name / "state.pt")["step"] == 40


def test_a_claim_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        for how in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(FolderInUse, match=rf"written by process {holder.pid} on .*, since"):
                train(run(2), folder, progress=False, **how)  # type: ignore[arg-type]
        holder.kill()
    assert (folder / ".claim").exists()  # it had no time to tidy up
    assert train(run(2), folder, progress=False).step == 2
    assert not (folder / ".claim").exists()


def test_a_claim_leaves_no_trace(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with claimed(folder), claimed(tmp_path / "a" / ".." / "a" / "b"):
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []
    with claimed(folder, new=True):
        (folder / "file").touch()
    assert [path.name for path in folder.iterdir()] == ["file"]
    with pytest.raises(FileExistsError), claimed(folder, new=True):
        pass


def test_a_run_killed_before_its_first_checkpoint_can_begin_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (["--resume={}"], ["--output={}", "--steps=3"]):
        folder = tmp_path / options[0].strip("-={}")
        train(run(4), folder, progress=False)
        for name in ("state.pt", "model.safetensors"):
            (folder / name).unlink()
        assert command(*[option.format(folder) for option in options]) == 0
        assert load_state(folder / "state.pt")["step"] == load_run(folder)[0].training.steps


def test_a_disk_that_holds_a_run_has_room_to_go_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run(2), tmp_path / "run", progress=False)
    size = sum((tmp_path / "run" / name).stat().st_size for name in ("state.pt", "config.json"))
    usage = type("Usage", (), {"free": 2**20 - size // 2})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="MB free"):
        train(run(2), tmp_path / "other", progress=False)
    assert train(run(3), tmp_path / "run", resume=True, progress=False).step == 3


@pytest.mark.slow
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """Files may not grow beyond some bytes here, as on a disk that is full."""
    folder = tmp_path / "run"
    train(run(3), folder, progress=False)
    before = {name: (folder / name).read_bytes() for name in ("state.pt", "model.safetensors")}
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    options = ("train", "plane", f"--resume={folder}", "--steps=9")
    code, _, error = Launch(limit + COMMAND, tmp_path, *options, count=1).end()
    assert code == 2
    assert len(said(error)) == 1 and "cannot be written (File too large)" in said(error)[0]
    assert "Traceback" not in error
    assert before == {name: (folder / name).read_bytes() for name in before}
    assert not list(folder.glob(".*"))


@pytest.mark.slow
def test_those_who_prepare_data_end_with_a_killed_trainer(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ("train", "plane", "--steps=100000", "--save-every=2", "--workers=2")
    launch = Launch(COMMAND, tmp_path, *options, f"--output={folder}", count=1)
    launch.wait_for((folder / "model.safetensors").exists)
    launch.wait_for(lambda: len(launch.family()) >= 2)
    members = launch.family()
    launch.process.kill()
    launch.process.wait()
    step = load_state(folder / "state.pt")["step"]
    assert step >= 1 and load_run(folder)[1].linear.weight.isfinite().all()
    # The claim went with the trainer: nobody waits for the others.
    assert train(run(step + 1), folder, resume=True, progress=False).step == step + 1
    assert psutil.wait_procs(members, timeout=60)[1] == []


def test_what_would_fail_at_the_end_fails_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def metrics(model: Any, batches: Iterable[Batch], groups: Sequence[str]) -> Measured:
        raise ValueError("nothing to measure")

    def pictures(*_: object) -> list[Path]:
        raise ImportError("matplotlib is needed")

    for name, parts in (("m", {"metrics": metrics}), ("p", {"pictures": pictures})):
        monkeypatch.setitem(TASKS, "plane", replace(PLANE, **parts))  # type: ignore[arg-type]
        assert command(f"--output={tmp_path / name}") == 2
        assert not (tmp_path / name).exists()
    error = capsys.readouterr().err
    assert said(error) == [
        "nvc3d: error: nothing to measure",
        "nvc3d: error: matplotlib is needed",
    ]


def test_a_few_shapes_without_measure_are_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = []

    def metrics(model: Any, batches: Iterable[Batch], groups: Sequence[str]) -> Measured:
        batches = list(batches)
        counts.append(sum(len(batch["y"]) for batch in batches))
        if counts[-1] < 5:
            raise ValueError("nothing to measure")
        return _metrics(model, batches, groups)

    monkeypatch.setitem(TASKS, "plane", replace(PLANE, metrics=metrics))
    assert command(f"--output={tmp_path / 'run'}") == 0
    assert counts == [4, 5, 5]
