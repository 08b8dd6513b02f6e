"""How good completions of KITTI's cars are, of which nobody knows the truth."""

from __future__ import annotations

import warnings
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from nvc3d.data.draws import resample
from nvc3d.data.naming import named
from nvc3d.data.pairs import KittiCars
from nvc3d.data.stand_ins import FAULTS
from nvc3d.metrics import consistency, fidelity, minimal_matching_distance
from nvc3d.tasks.completion.model import CompletionModel
from nvc3d.tasks.task import Splits, Table

KNOWN = 256
"""Training shapes that completions are compared with."""
COLUMNS = ("fidelity", "consistency", "MMD")


@torch.no_grad()
def measure_cars(
    model: CompletionModel, cars: KittiCars, known: Tensor, input_points: int, seed: int = 0
) -> Table:
    """Fidelity and MMD, their means over all cars, and consistency, its mean over the tracklets.

    In the cars' frame, in which a car is 1 long; MMD is to the `known` clouds (K, N, 3). A model
    keeps what it is given, so its completions are faithful as they stand; what it laid itself is
    measured too. Cars that cannot be read are left out, with a warning that names them; the
    consistency is NaN where no tracklet has two frames.

    Raises ValueError where no car can be read.
    """
    was_training = model.training
    model.eval()
    device = model.mean_shape.device
    rows: dict[str, dict[str, Tensor]] = {"completion": {}, "points laid by the model": {}}
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    bad = []
    for index, name in enumerate(cars.names):
        try:
            points = cars[index].points
        except FAULTS as error:
            bad.append(f"{name} ({error})")
            continue
        given = resample(points, input_points, np.random.default_rng([seed, index]))
        seen = torch.from_numpy(points)[None].to(device)  # (1, V, 3)
        completed = model(torch.from_numpy(given)[None].to(device)).points  # (1, N, 3)
        for row, cloud in zip(rows, (completed, completed[:, input_points:]), strict=True):
            rows[row][name] = cloud[0]
            nearest = minimal_matching_distance(cloud, known.to(device))
            measured[row].append((float(fidelity(seen, cloud)), float(nearest)))
    model.train(was_training)
    if bad:
        message = f"{len(bad)} of {len(cars)} cars cannot be read: {named(bad)}"
        if len(bad) == len(cars):
            raise ValueError(message)
        warnings.warn(message, stacklevel=2)
    table: Table = {}
    for row, clouds in rows.items():
        faithful, matching = np.mean(measured[row], axis=0).tolist()
        values = (faithful, _steadiness(clouds, cars), matching)
        table[row] = dict(zip(COLUMNS, values, strict=True))
    return table


def known_cars(splits: Splits, seed: int = 0) -> tuple[Tensor, str]:
    """Complete clouds (K, N, 3) of at most 256 training shapes, chosen at random, and what they
    are: of the category "car" where there is one, else of all.

    Raises ValueError where there are none.
    """
    wanted = splits.vocabulary.groups.index("car") if "car" in splits.vocabulary.groups else None
    size = len(splits.train)
    label = getattr(splits.train, "label", None)  # of data sets that know without reading
    order = np.random.default_rng(seed).permutation(size).tolist()
    if wanted is not None and label is not None:
        order = [i for i in order if label(i) == wanted]
    items = (splits.train[i] for i in order)
    clouds = list(
        islice((item["complete"] for item in items if wanted in (None, int(item["label"]))), KNOWN)
    )
    if not clouds:
        raise ValueError("MMD needs shapes that the model was trained on, and there are none")
    kind = "shapes of all categories" if wanted is None else "cars"
    return torch.stack(clouds), f"{len(clouds)} training {kind}"


def _steadiness(clouds: dict[str, Tensor], cars: KittiCars) -> float:
    """The mean, over the tracklets, of the consistency of the clouds of a tracklet's cars."""
    tracks = [[clouds[name] for name in track if name in clouds] for track in cars.tracklets]
    values = [float(consistency(torch.stack(track))) for track in tracks if len(track) > 1]
    return float(np.mean(values)) if values else float("nan")
