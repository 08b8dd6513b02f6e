"""A plain autoencoder of scikit-learn's digits, and the three lines that give it a nebula.

    python examples/autoencoder.py

No labels are used in training. They only tell, in the end, how well the anchors found the digits.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

import nvc3d

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.data / 16, dtype=torch.float32)  # (1797, 64)
labels = torch.tensor(digits.target)

encoder = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU())
nebula = nvc3d.Nebula(dim=64, num_anchors=20, latent_dim=16)  # line 1, between the two
decoder = nn.Sequential(nn.Linear(nebula.embedding_dim, 256), nn.ReLU(), nn.Linear(256, 64))
model = nn.ModuleList([encoder, nebula, decoder])
optimiser = torch.optim.Adam(model.parameters(), 2e-3)

for _ in range(40):
    for rows in torch.randperm(1400).split(100):
        x = images[rows]
        code = nebula(encoder(x))  # line 2
        pixels = binary_cross_entropy_with_logits(decoder(code.embedding), x, reduction="none")
        loss = pixels.sum(1).mean() + nebula.losses(code).total  # line 3
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

model.eval()
with torch.no_grad():
    seen, unseen = (nebula(encoder(x)).anchor for x in (images[:1400], images[1400:]))
digit_of = torch.tensor(
    [int(labels[:1400][seen == k].bincount(minlength=10).argmax()) for k in range(20)]
)
right = (digit_of[unseen] == labels[1400:]).float().mean()
state = nebula.diagnostics()
print(f"anchors used: {state.used} of 20, perplexity {state.perplexity:.1f}")
print(f"digits not seen in training, told by their anchor alone: {right:.1%} right")
