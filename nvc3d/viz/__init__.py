"""Pictures, drawn straight into files: matplotlib's global state and backend stay untouched.

    draw_clouds      point clouds side by side
    draw_labelled    a cloud in the colours of its labels
    draw_confusion   which class is taken for which
    draw_latents     the latent space as a map, with the anchors and their Gaussians
    draw_covariance  how far the latents are from a Gaussian of independent dimensions
    draw_hands       the joints of hands over the points that are seen of them
    draw_gallery     what each anchor decodes to, with samples drawn around it and the nearest data
    draw_walks       what lies between two anchors, on the way that `walk` finds
    draw_life        how the anchors fared in a training that `Life` recorded

Each takes a path first, arrays or tensors of any device and dtype, and returns the path of its PNG.
Colours are told apart by colour-blind readers too.
"""

from __future__ import annotations

from nvc3d.viz.clouds import draw_clouds
from nvc3d.viz.confusion import draw_confusion
from nvc3d.viz.covariance import draw_covariance
from nvc3d.viz.gallery import draw_gallery
from nvc3d.viz.hands import DrawnHand, draw_hands
from nvc3d.viz.labelled import draw_labelled
from nvc3d.viz.latents import draw_latents
from nvc3d.viz.life import Life, draw_life
from nvc3d.viz.walks import draw_walks, walk

__all__ = [
    "DrawnHand",
    "Life",
    "draw_clouds",
    "draw_confusion",
    "draw_covariance",
    "draw_gallery",
    "draw_hands",
    "draw_labelled",
    "draw_latents",
    "draw_life",
    "draw_walks",
    "walk",
]
