"""Pictures, drawn straight into files: matplotlib's global state and backend stay untouched."""

from __future__ import annotations

from nvc3d.viz.clouds import draw_clouds
from nvc3d.viz.latents import draw_latents

__all__ = ["draw_clouds", "draw_latents"]
