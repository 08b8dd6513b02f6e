"""What a call raises where a GPU has no memory left for it."""

from __future__ import annotations

from typing import NoReturn

import torch


def raise_as_torch(error: RuntimeError) -> NoReturn:
    """Raise again what a compiled operator raised: torch.OutOfMemoryError where that is meant.

    torch's stable C++ interface lets only texts through, not types; whoever catches the type, to go
    on with a smaller batch, shall find it.
    """
    if "CUDA out of memory" in str(error):
        raise torch.OutOfMemoryError(str(error)) from error
    raise error
