"""Other packages' names, signatures and return types over our operators.

Change one import line, or none: `install()`, and `python -m nvc3d.compat run SCRIPT`, put them
under their peers' import names. See docs/compat.md.
"""

from __future__ import annotations

from .installing import install

__all__ = ["install"]
