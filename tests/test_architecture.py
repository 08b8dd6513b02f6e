"""Which part of the package may import which: docs/architecture.md, kept by the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nvc3d

ROOT = Path(nvc3d.__file__).parent
# Small modules that anyone may use, and that use nothing but one another.
SMALL = {
    "allocation",
    "atomic",
    "config",
    "extras",
    "interruption",
    "lazy",
    "local",
    "processes",
    "randomness",
    "standing",
}
# Part -> the parts below it that it may import.
BELOW = {
    "ops": set(),
    "geometry": {"ops"},
    "nebula": {"ops"},
    "encoders": {"ops"},
    "metrics": {"ops"},
    "compat": {"ops"},
    "autoload": {"ops"},
    "files": {"geometry"},
    "interop": {"files", "geometry"},
    "shapes": {"geometry"},
    "data": {"files", "geometry", "ops", "shapes"},
    "viz": {"geometry", "metrics", "nebula", "ops"},
    "planar": {"files", "geometry", "interop", "viz"},
    "tasks": {
        *("data", "encoders", "files", "geometry", "metrics", "nebula", "ops", "planar", "shapes"),
        "viz",
    },
    "adapters": {"data", "files", "nebula", "metrics", "tasks", "viz"},
}
# On top: run folders, training and commands may use everything below them, in this order.
TOP = (
    "claim",
    "journal",
    "checkpoint",
    "train",
    "card",
    "loaded",
    "onnx",
    "export",
    "commands",
    "cli",
    "__main__",
)


def parts() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).with_suffix("").parts[0]
        if name != "__init__":
            yield name, path


def imported(path: Path) -> Iterator[str]:
    """The modules of nvc3d that a file imports, anywhere in it, as nvc3d.a.b.c."""
    package = ["nvc3d", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("nvc3d."))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            if module == "nvc3d":
                yield from (f"nvc3d.{alias.name}" for alias in node.names)
            elif module.startswith("nvc3d."):
                yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("part", sorted({part for part, _ in parts()}))
def test_a_part_imports_only_what_is_below_it(part: str) -> None:
    if part in SMALL:
        allowed = SMALL
    elif part in BELOW:
        allowed = SMALL | BELOW[part]
    else:
        assert part in TOP, f"{part} has no floor: give it one here and in docs/architecture.md"
        allowed = SMALL | set(BELOW) | set(TOP[: TOP.index(part)])
    for path in (path for name, path in parts() if name == part):
        used = {name.split(".")[1] for name in imported(path)} - {part, "__version__"}
        assert used <= allowed, f"{path.relative_to(ROOT)} must not import {used - allowed}"


def test_no_task_imports_another() -> None:
    names = {path.parent.name for path in (ROOT / "tasks").glob("*/__init__.py")}
    for name in names:
        for path in (ROOT / "tasks" / name).rglob("*.py"):
            used = {m.split(".")[2] for m in imported(path) if m.startswith("nvc3d.tasks.")}
            assert not used & (names - {name}), f"{path.relative_to(ROOT)}: {used}"


def test_nobody_imports_an_adapter_but_what_reads_texts_of_commands() -> None:
    for part, path in parts():
        if part != "adapters" and path.name != "texts.py":
            assert not any(name.startswith("nvc3d.adapters") for name in imported(path)), path


def test_nobody_imports_a_command_but_the_command_line() -> None:
    for part, path in parts():
        if part not in ("commands", "cli"):
            assert not any(name.startswith("nvc3d.commands") for name in imported(path)), path
