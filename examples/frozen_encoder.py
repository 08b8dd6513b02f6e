"""A nebula on the features of an encoder that stays as it is, and that is not of PyTorch.

    python examples/frozen_encoder.py

The encoder is the hidden layer of a classifier that scikit-learn trained on the digits 0 to 4. The
nebula is trained on its features of the digits 5 to 9, which it has never seen, without labels. Any
other source of features will do: a pretrained network under `torch.no_grad()`, or files of them.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from torch import nn

import nvc3d

digits = load_digits()
known = digits.target < 5
classifier = MLPClassifier((96,), max_iter=200, tol=1e-2, random_state=0)
classifier.fit(digits.data[known] / 16, digits.target[known])


def encode(images: np.ndarray) -> torch.Tensor:
    hidden = images / 16 @ classifier.coefs_[0] + classifier.intercepts_[0]
    return torch.tensor(np.maximum(hidden, 0), dtype=torch.float32)


features = encode(digits.data[~known])  # (896, 96), computed once
features = (features - features.mean(0)) / features.std()
labels = torch.tensor(digits.target[~known])

torch.manual_seed(0)
nebula = nvc3d.Nebula(dim=96, num_anchors=12, latent_dim=16)
decoder = nn.Sequential(nn.Linear(nebula.embedding_dim, 96), nn.ReLU(), nn.Linear(96, 96))
optimiser = torch.optim.Adam([*nebula.parameters(), *decoder.parameters()], 2e-3)

for _ in range(60):
    for rows in torch.randperm(600).split(100):
        code = nebula(features[rows])
        error = (decoder(code.embedding) - features[rows]).square().mean()
        optimiser.zero_grad()
        (error + nebula.losses(code).total).backward()
        optimiser.step()

nebula.eval()
with torch.no_grad():
    seen, unseen = nebula(features[:600]).anchor, nebula(features[600:]).anchor
digit_of = torch.tensor(
    [int(labels[:600][seen == k].bincount(minlength=10).argmax()) for k in range(12)]
)
right = (digit_of[unseen] == labels[600:]).float().mean()
print(f"anchors used: {nebula.diagnostics().used} of 12")
print(f"digits 5 to 9, told by their anchor alone: {right:.1%} right")
