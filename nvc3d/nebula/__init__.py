"""Nebula variational coding: a latent space with anchors, between any encoder and any decoder."""

from .code import Code, Losses
from .diagnostics import Diagnostics
from .nebula import Nebula

__all__ = ["Code", "Diagnostics", "Losses", "Nebula"]
