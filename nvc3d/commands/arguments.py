"""How every command reads its arguments."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ValueError instead of printing its usage and exiting."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """As argparse does, but an option that there is not is named before one that is missing."""
        given = list(sys.argv[1:] if args is None else args)
        options = given[: given.index("--")] if "--" in given else given
        for word in options:
            name = word.partition("=")[0]
            if len(name) < 2 or name[0] != "-" or name in self._option_string_actions:
                continue
            if self._negative_number_matcher.match(word):
                continue  # a value
            if name[1] == "-":
                near = difflib.get_close_matches(name, self._option_string_actions, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
            else:
                hint = f"; a file of that name is given as ./{word}"
            self.error(f"unrecognized arguments: {name}{hint}")
        return super().parse_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


def parser(command: str, description: str) -> Parser:
    """The parser of a command."""
    return Parser(
        prog=f"nvc3d {command}",
        description=description,
        allow_abbrev=False,
    )
