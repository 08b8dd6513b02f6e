"""Nebula variational coding: a latent space with anchors, between any encoder and any decoder."""

from .code import Code, Losses
from .diagnostics import Diagnostics
from .head import GaussianHead
from .nebula import Nebula
from .novelty import Novelty
from .representatives import representatives
from .verbatim import NearestNebula, PaperNebula

__all__ = [
    "Code",
    "Diagnostics",
    "GaussianHead",
    "Losses",
    "NearestNebula",
    "Nebula",
    "Novelty",
    "PaperNebula",
    "representatives",
]
