"""`python -m nvc3d.compat run SCRIPT ARGUMENTS`: runs a script with our modules for its peers'."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from . import install

USAGE = "usage: python -m nvc3d.compat run SCRIPT ARGUMENTS | run -m MODULE ARGUMENTS"


def main(arguments: list[str]) -> None:
    """Run the script, or the module, as `python` would, in this process."""
    match arguments:
        case ["run", "-m", module, *_]:
            sys.argv = arguments[2:]
            sys.path[0] = str(Path.cwd())
            install()
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["run", script, *_] if Path(script).is_file():
            sys.argv = arguments[1:]
            sys.path[0] = str(Path(script).resolve().parent)
            install()
            runpy.run_path(script, run_name="__main__")
        case ["run", script, *_] if not script.startswith("-"):
            sys.exit(f"{script} is not a file\n{USAGE}")
        case _:
            sys.exit(USAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
