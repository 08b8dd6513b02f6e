"""Nebula variational coding: a latent space with anchors, between any encoder and any decoder."""

from .diagnostics import Diagnostics
from .nebula import Code, Losses, Nebula

__all__ = ["Code", "Diagnostics", "Losses", "Nebula"]
