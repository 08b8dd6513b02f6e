"""What a trained model is judged by, on samples that it has not seen."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .datasets import Dataset
from .models import ANCHORS, Autoencoder

Labels = NDArray[np.int64]


@torch.no_grad()
def judge(model: Autoencoder, data: Dataset, seed: int) -> dict[str, float]:
    """All columns but the times; clusters are the model's own, else those of k-means on its codes.

    Labels are used here and nowhere else. Raises ValueError where codes are NaN or inf.
    """
    model.eval()
    seen, code = model.code(data.train), model.code(data.test)
    if not bool(seen.isfinite().all() and code.isfinite().all()):
        raise ValueError("the codes are NaN or inf")
    error = data.error(model(data.test)[0], data.test)
    known, truth = data.labels[: data.split], data.labels[data.split :]
    if model.has_groups:
        groups, own = model.groups(data.train).numpy(), model.groups(data.test).numpy()
    else:
        means = KMeans(ANCHORS, n_init=10, random_state=seed).fit(seen.numpy())
        groups, own = means.labels_, means.predict(code.numpy())
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return {
        "reconstruction": float(error),
        "knn": float(KNeighborsClassifier(5).fit(seen, known).score(code, truth)),
        "probe": float(probe.fit(seen, known).score(code, truth)),
        "vote": majority_vote(groups, known, own, truth),
        "hungarian": hungarian(own, truth),
        "nmi": float(normalized_mutual_info_score(truth, own)),
        "ari": float(adjusted_rand_score(truth, own)),
        "used": float(len(np.unique(groups))),
        "perplexity": perplexity(groups),
    }


def majority_vote(groups: Labels, known: Labels, own: Labels, truth: Labels) -> float:
    """Accuracy where each cluster says what most of its training samples are."""
    votes = np.zeros((ANCHORS, truth.max() + 1))
    np.add.at(votes, (groups, known), 1)
    return float((votes.argmax(1)[own] == truth).mean())


def hungarian(own: Labels, truth: Labels) -> float:
    """Accuracy under the best pairing of each class with one cluster; the others count as wrong."""
    table = np.zeros((own.max() + 1, truth.max() + 1))
    np.add.at(table, (own, truth), 1)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(truth))


def perplexity(groups: Labels) -> float:
    """e to the entropy of the clusters' use by the training samples."""
    share = np.bincount(groups) / len(groups)
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))
