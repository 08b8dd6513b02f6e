"""The formats, found in the modules of `nvc3d.files.formats`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from nvc3d.files import formats
from nvc3d.files.format import Format


@cache
def by_suffix() -> dict[str, Format]:
    """Suffix, in lower case with its dot, -> format; in the order of the modules' names."""
    found: dict[str, Format] = {}
    for module in sorted(info.name for info in iter_modules(formats.__path__)):
        for kind in import_module(f"{formats.__name__}.{module}").FORMATS:
            for suffix in kind.suffixes:
                if suffix in found:
                    raise ValueError(f"two formats claim the suffix {suffix}")
                found[suffix] = kind
    return found


def writable() -> dict[str, Format]:
    """Those of `by_suffix` that can be written."""
    return {suffix: kind for suffix, kind in by_suffix().items() if kind.write is not None}


def table() -> str:
    """The formats as a table in Markdown, for the documentation."""
    rows = ["| suffix | read as | written | needs |", "|---|---|---|---|"]
    for kind in dict.fromkeys(by_suffix().values()):
        suffixes = " ".join(kind.suffixes)
        rows.append(f"| {suffixes} | {kind.holds} | {'yes' if kind.write else ''} | {kind.needs} |")
    return "\n".join(rows)
