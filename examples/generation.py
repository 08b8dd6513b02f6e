"""New shapes from the anchors of a nebula, walks between anchors, and pictures of the latent space.

    python examples/generation.py --output pictures

An autoencoder of clouds of 256 points, PointNet, a nebula and three layers, is trained on 300 of
the built-in shapes, without labels, for a few seconds: what it makes is rough.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

import nvc3d
from nvc3d import ops, viz
from nvc3d.encoders import PointNet
from nvc3d.shapes import BuiltinShapes

parser = argparse.ArgumentParser(description="Shapes from the anchors of a nebula.")
parser.add_argument("--output", type=Path, default=Path("pictures"))
parser.add_argument("--epochs", type=int, default=30)
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

torch.manual_seed(0)
rng = np.random.default_rng(0)
categories = ["chair", "car", "plane", "mug", "lamp", "guitar"]
shapes = BuiltinShapes("train", 300, categories=categories)
clouds = torch.from_numpy(np.stack([mesh.sample(256, rng)[0] for mesh, _, _ in shapes]))
labels = [label for _, label, _ in shapes]

encoder = PointNet(dim=128, transforms=False)
nebula = nvc3d.Nebula(dim=128, num_anchors=12, latent_dim=16)
layers = [nn.Linear(nebula.embedding_dim, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU()]
decoder = nn.Sequential(*layers, nn.Linear(256, 256 * 3), nn.Unflatten(1, (256, 3)))
model = nn.ModuleList([encoder, nebula, decoder])
optimiser = torch.optim.Adam(model.parameters(), 1e-3)
life = viz.Life(nebula)

for _ in range(options.epochs):
    for rows in torch.randperm(len(clouds)).split(30):
        code = nebula(encoder(clouds[rows])[0])
        chamfer = ops.chamfer_distance(decoder(code.embedding), clouds[rows])
        optimiser.zero_grad()
        (chamfer + nebula.losses(code).total).backward()
        optimiser.step()
        life.record()

model.eval()
with torch.no_grad():
    code = nebula(encoder(clouds)[0])
    reached = float(ops.chamfer_distance(decoder(code.embedding), clouds))
    drawn = decoder(nebula.sample(anchor=0, n=5))
print(f"Chamfer distance of the training clouds and their reconstructions: {reached:.4f}")
print(
    f"anchors used: {nebula.diagnostics().used} of 12; drawn around anchor 0: {list(drawn.shape)}"
)

folder, anchors = options.output, nebula.anchors
viz.draw_gallery(folder / "gallery.png", nebula, decoder, clouds, code.mean)
viz.draw_walks(folder / "walks.png", nebula, decoder, [(0, 1), (2, 3), (4, 5), (6, 7)])
viz.draw_latents(folder / "latents.png", code.mean, labels, categories, anchors, code.anchor)
viz.draw_covariance(folder / "covariance.png", code.mean, code.anchor)
viz.draw_life(folder / "life.png", life)
print(f"pictures in {folder}: {', '.join(sorted(p.name for p in folder.glob('*.png')))}")
