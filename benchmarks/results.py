"""Results in files: each whole or not there, under a hash of what it depends on, and in pages."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def code(path: Path) -> str:
    """The code in a file, without what does not act: comments and docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                part
                for part in body
                if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
            ]
    return ast.dump(tree)


def fingerprint(content: Iterable[str]) -> str:
    """A short hash of texts."""
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:10]


def read(path: Path) -> dict[str, Any] | None:
    """What is stored in a file, if it is there."""
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def write(path: Path, values: dict[str, Any]) -> None:
    """Store values, so that a file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(values, indent=1))
    part.replace(path)


def write_between(path: Path, name: str, text: str) -> None:
    """Put text between the two marks `<!-- name: ... -->` and `<!-- /name -->` of a page.

    Raises ValueError unless each is there once.
    """
    page = path.read_text()
    begins = re.findall(rf"<!-- {name}: .*? -->", page)
    end = f"<!-- /{name} -->"
    if len(begins) != 1 or page.count(end) != 1:
        raise ValueError(f"{path} must hold the lines <!-- {name}: ... --> and {end}, each once")
    head, rest = page.split(begins[0])
    path.write_text(f"{head}{begins[0]}\n{text}\n{end}{rest.split(end)[1]}")
