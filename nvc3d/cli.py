"""The command line: finds the command, and says in one sentence what went wrong."""

from __future__ import annotations

import difflib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from nvc3d import __version__
from nvc3d.commands.saying import sentence
from nvc3d.processes import launched, refuse_several

# Each is a module of nvc3d.commands; it is imported only when called, so that help is quick.
COMMANDS = {
    "doctor": "say what is installed, what is active, and how to add what is missing",
    "demo": "train a small completion model on built-in shapes and show what it does",
    "train": "train a task on the built-in shapes or on a folder of your own",
    "pack": "write a folder to shards, tar files of webdataset",
    "eval": "measure a trained model",
    "export": "write a trained model as a program that runs without Python",
    "complete": "complete scans: meshes or clouds of which a part is missing",
    "classify": "tell the category of shapes, images or texts",
    "pose": "tell the joints of the hands that a depth camera saw",
    "planes": "find the flat faces of scans: clouds, meshes or depth images",
    "translate": "translate sentences, or text files line by line",
    "segment": "label the points of shapes, by part, or of scenes, by thing",
}


# Errors that are told in a sentence. Of RuntimeErrors only those about memory are.
_TOLD = (ArithmeticError, ImportError, MemoryError, OSError, RuntimeError, ValueError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 where it did what was asked, 2 where it could not."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        # The name of a file may hold what the terminal has no letters for; no command fails by it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Before torch is there: its threads would else spin while they wait for one another, and on
    # a machine that does other work besides, each step then takes ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if launched() > 1:
        # Each process would say that a model has no idle parameters just now.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _warn  # type: ignore[assignment]
        try:
            return _dispatch(arguments)
        except KeyboardInterrupt as stop:
            print(" ".join(["nvc3d: interrupted", *map(str, stop.args)]), file=sys.stderr)
            return 130
        except BrokenPipeError:  # the reader of our output, as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except _TOLD as error:
            bug = isinstance(error, RuntimeError) and "memory" not in str(error)
            if bug or "NVC3D_TRACEBACK" in os.environ:
                raise
            print(f"nvc3d: error: {sentence(error)}", file=sys.stderr)
            return 2


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    name, *rest = arguments
    if name == "--version":
        print(f"nvc3d {__version__}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(COMMANDS)}"
        kind = "option" if name.startswith("-") else "command"
        raise ValueError(f"unknown {kind} {name!r}; {hint}")
    if name != "train":
        refuse_several(f"nvc3d {name}")
    return int(import_module(f"nvc3d.commands.{name}").main(rest))


def _help() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: nvc3d COMMAND [options]",
            "",
            "Learning from 3D points: exact, fast operators and latent spaces that work.",
            "",
            *(f"  {name:{width}}  {text}" for name, text in COMMANDS.items()),
            "",
            "nvc3d COMMAND --help tells more; nvc3d --version prints the version.",
        ]
    )


def _warn(message: Warning | str, category: type[Warning], *_: Any) -> None:
    print(f"nvc3d: warning: {' '.join(str(message).split())}", file=sys.stderr)
