"""How every command reads its arguments."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ValueError instead of printing its usage and exiting."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


def parser(command: str, description: str) -> Parser:
    """The parser of a command."""
    return Parser(
        prog=f"nvc3d {command}",
        description=description,
        allow_abbrev=False,
    )
