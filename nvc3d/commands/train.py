"""`nvc3d train TASK`: every field of the task's config and of TrainConfig is an option."""

from __future__ import annotations

import dataclasses
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stderr, suppress
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Generic, TypeVar

from nvc3d import processes
from nvc3d.checkpoint import CheckpointError, Run, load_config
from nvc3d.claim import FolderInUse, claimed
from nvc3d.commands.results import finish, interrupted, rehearsal
from nvc3d.config import TrainConfig
from nvc3d.extras import require
from nvc3d.tasks import TASKS
from nvc3d.tasks.task import UNTOLD
from nvc3d.train import train

C = TypeVar("C")

_SAID_BETTER = (
    # What a config says of its own fields needs no word of where tyro met it.
    (r"Error parsing (?:task|training): (.*)", r"\1"),
    (
        r"Error parsing (--\S+): invalid literal for int.*: (.*)",
        r"\1 must be a whole number, got \2",
    ),
    (r"Error parsing (--\S+): could not convert .* to float: (.*)", r"\1 must be a number, got \2"),
    (
        r"Error parsing (--\S+): no type matching (.*?) could .* from \[(.*?)\]\..*",
        r"\1 must be \2, got \3",
    ),
    (r"Error parsing (--\S+): could not parse arguments \[(.*)\] into .*", r"\1 cannot be \2"),
)
"""Errors of tyro that speak of its types, and what is said instead; others stay as they are."""


@dataclasses.dataclass(frozen=True)
class Options(Generic[C]):
    """Train, measure on shapes kept out of training, and write it all to a run folder."""

    task: C
    training: TrainConfig
    output: Path | None = None
    """Run folder to write; without it, the first free of runs/TASK, runs/TASK-2, ..."""
    config: Path | None = None
    """config.json of a run to repeat; other options given here go before it."""
    resume: Path | None = None
    """Run folder to go on with, in its own config; other options given here go before that."""


def main(arguments: Sequence[str]) -> int:
    """Train a task; exit code 130 where Ctrl-C ended it early, its checkpoint saved."""
    with ExitStack() as held:
        with processes.together(one_voice=True):
            if not arguments or arguments[0] in ("-h", "--help"):
                print("usage: nvc3d train TASK [options]\n\ntasks:")
                print("\n".join(f"  {name}" for name in TASKS))
                print("\nnvc3d train TASK --help lists the options of a task.")
                return 0
            name, *rest = arguments
            if name not in TASKS:
                raise ValueError(f"unknown task {name!r}; tasks: {', '.join(TASKS)}")
            options = parse(name, rest)
            run = Run(TASKS[name], _absolute(options.task), options.training)
            place = (Path(), False)
            with processes.in_step():
                if processes.rank() == 0:
                    place = _place(run, options, held)
            folder, resume = processes.of_main(place)
            if resume:
                run = dataclasses.replace(run, id=load_config(folder).id)
            outcome = train(run, folder, resume=resume, rehearsal=rehearsal(run))
        if not outcome.finished:
            return interrupted(run, folder, outcome)
        finish(run, folder, outcome)
    return 0


def _place(run: Run, options: Options[Any], held: ExitStack) -> tuple[Path, bool]:
    """The folder of the run, claimed until `held` ends, and whether a run goes on there."""
    if options.resume:
        load_config(options.resume)
        held.enter_context(claimed(options.resume))
        return options.resume, True
    given = [options.output] if options.output else None
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0) > 0:
        # The same command once more, by a launcher, after a process of it failed.
        for folder in given or reversed(list(takewhile(Path.exists, _numbered(run.task.name)))):
            if _is_begun(folder, run):
                with suppress(FolderInUse):
                    held.enter_context(claimed(folder))
                    return folder, True
    if options.output:
        held.enter_context(claimed(options.output))
        return options.output, False
    for folder in _numbered(run.task.name):
        # Of two commands that find the same folder free, one gets it.
        with suppress(FileExistsError, FolderInUse):
            held.enter_context(claimed(folder, new=True))
            return folder, False
    raise AssertionError("there is no end of names")


def _is_begun(folder: Path, run: Run) -> bool:
    """Whether a folder holds the very run, and it did not come to its end."""
    if (folder / "metrics.json").exists():
        return False
    try:
        begun = load_config(folder)
    except CheckpointError:
        return False
    return (begun.task, begun.config, begun.training) == (run.task, run.config, run.training)


def parse(name: str, arguments: Sequence[str]) -> Options[Any]:
    """The options of `nvc3d train NAME`. Raises ValueError where they are wrong."""
    kind = TASKS[name].config
    default = Options(kind(), TASKS[name].training)
    given = _parse(name, Options[kind], default, arguments)  # type: ignore[valid-type]
    if given.config and given.resume:
        raise ValueError("--config starts a new run and --resume goes on with one: give one")
    if given.resume and given.output:
        raise ValueError(f"--resume writes to {given.resume}: leave out --output")
    source = given.config or given.resume
    if source is None:
        return given
    run = load_config(source)
    if run.task.name != name:
        raise ValueError(f"{source} is a run of task {run.task.name}, not of {name}")
    # Once more, with the values of the run as the defaults.
    return _parse(name, Options[kind], Options(run.config, run.training), arguments)  # type: ignore[valid-type]


def _parse(name: str, kind: Any, default: Options[Any], arguments: Sequence[str]) -> Options[Any]:
    tyro = require("tyro", "to read the options of a task")
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            options: Options[Any] = tyro.cli(
                kind,
                prog=f"nvc3d train {name}",
                default=default,
                args=list(arguments),
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except SystemExit as end:
        if not end.code:
            raise
        raise ValueError(f"{_plain(said.getvalue())} (see nvc3d train {name} --help)") from None
    return options


def _plain(box: str) -> str:
    """One sentence of tyro's error: a box with a title, and ruled off in it, message and hints."""
    paragraphs: list[list[str]] = [[]]
    for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines():
        text = line.strip("│ ")
        if text and not text.strip("─-"):
            paragraphs.append([])
        elif text and text[0] not in "╭╰":
            paragraphs[-1].append(text)
    if "╭" not in box and len(paragraphs) > 1:  # on plain terminals the title is a paragraph too
        del paragraphs[0]
    message = " ".join(paragraphs[0])
    for pattern, better in _SAID_BETTER:
        message = re.sub(pattern, better, message, flags=re.IGNORECASE)
    near = [t.split()[0] for hints in paragraphs[1:] for t in hints if t.startswith("--")]
    hint = f"; did you mean {near[0]}?" if near and message.startswith("Unrecognized") else ""
    return message[:1].lower() + message[1:].rstrip(".") + hint


def _absolute(config: Any) -> Any:
    """The task's config with a data folder that means the same wherever it is read again."""
    if config.data in (None, UNTOLD) or "://" in config.data:
        return config
    return dataclasses.replace(config, data=str(Path(config.data).expanduser().absolute()))


def _numbered(name: str) -> Iterator[Path]:
    for i in count(1):
        yield Path("runs") / (name if i == 1 else f"{name}-{i}")
