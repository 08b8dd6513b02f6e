"""Nebula variational coding: a latent space with anchors, between any encoder and any decoder."""

from .code import Code, Losses
from .diagnostics import Diagnostics
from .head import GaussianHead
from .nebula import Nebula
from .verbatim import NearestNebula, PaperNebula

__all__ = [
    "Code",
    "Diagnostics",
    "GaussianHead",
    "Losses",
    "NearestNebula",
    "Nebula",
    "PaperNebula",
]
