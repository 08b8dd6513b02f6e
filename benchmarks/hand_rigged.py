"""How well a trained model tells the joints of a hand that another maker drew and rigged.

    python benchmarks/hand_rigged.py --checkpoint runs/hands --data DIR [--refine] [--built-in 300]

DIR/hands/webxr-right.glb is WebXR's generic hand. It is bent by its own bones, its skin follows by
its own weights, and a depth camera sees it; the true joints are its own. With --built-in come rows
of so many built-in hands of other people, as they are and with all that makes them hard.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.utils.data import DataLoader

import nvc3d
from nvc3d.data.hands.base import HandFrame, Hands
from nvc3d.data.hands.builtin import BuiltinHands
from nvc3d.files.gltf_document import Document
from nvc3d.geometry.hand_joints import ORDERS, to_canonical
from nvc3d.geometry.intrinsics import CAMERAS
from nvc3d.metrics import hand_pose as measured_by
from nvc3d.shapes.hands.view import depth_image
from nvc3d.tasks.hand_pose.data import HandClouds
from nvc3d.tasks.hand_pose.model import STARTS
from nvc3d.tasks.hand_pose.refine import refined

Floats = NDArray[np.float64]

FILE = "webxr-right.glb"
NAMES = ORDERS["webxr"]
FINGERS = ([1, 2, 3, 4], *([*range(5 * i, 5 * i + 5)] for i in range(1, 5)))
"""The rows of each finger's joints, from the palm to the tip; the long ones with a metacarpal."""
THUMB, LONG = (20.0, 30.0, 55.0), (0.0, 75.0, 95.0, 60.0)
"""Degrees that the joints of a finger bend by when it is curled, the tip's aside."""
POSES = {
    "open": (0, 0, 0, 0, 0),
    "relaxed": (0.2, 0.2, 0.3, 0.35, 0.4),
    "half": (0.4, 0.5, 0.5, 0.5, 0.5),
    "fist": (0.8, 1, 1, 1, 1),
    "point": (0.8, 0, 1, 1, 1),
    "two": (0.8, 0, 0, 1, 1),
    "three": (0.8, 0, 0, 0, 1),
    "four": (1, 0, 0, 0, 0),
    "thumb up": (0, 1, 1, 1, 1),
    "call": (0, 1, 1, 1, 0),
    "gun": (0, 0, 1, 1, 1),
    "horns": (0.8, 0, 1, 1, 0),
}
"""How far each finger is curled, thumb to little finger."""
LEVELS = {
    "wrist": [0],
    "first joint": [1, 5, 9, 13, 17],
    "second": [2, 6, 10, 14, 18],
    "third": [3, 7, 11, 15, 19],
    "tip": [4, 8, 12, 16, 20],
}
CUT = 20.0
"""Millimetres behind the wrist from which on the forearm is cut off."""
UNSURE = 20.0
"""Millimetres by which a true joint may be off when a built-in hand is laid into the skin."""
NEAR, FAR, ASIDE = 350.0, 700.0, 60.0  # mm from the camera, and from its axis


HARD: tuple[tuple[str, dict[str, float]], ...] = (
    ("", {}),
    (", noise", {"noise": 1.0}),
    (", forearms", {"arm": 1.0}),
    (", holding something", {"object": 1.0}),
    (", the other hand near", {"other": 1.0}),
)


class Rig:
    """A hand of a glTF file with one skin of the 25 joints of WebXR, in mm, with its forearm so far
    as `behind` the wrist."""

    def __init__(self, path: Path, behind: float = np.inf) -> None:
        document = Document(path)
        skin = document.at("skins", 0)
        if len(skin.indices("joints")) != len(NAMES):
            raise ValueError(
                f"{path}: expected a skin of {len(NAMES)} joints, got {len(skin.indices('joints'))}"
            )
        part = document.at("meshes", 0).entries("primitives")[0]
        named = part.entry("attributes")

        def values(name: str, kind: str) -> NDArray[Any]:
            return document.accessor(named.whole(name), kind)

        inverse = document.accessor(skin.whole("inverseBindMatrices"), "MAT4")
        self.inverse = inverse.astype(np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)
        self.inverse[:, :3, 3] *= 1000
        # (25, 4, 4), where the joints are at rest
        self.bound = np.linalg.inv(self.inverse).astype(np.float64)
        self.vertices = 1000 * values("POSITION", "VEC3").astype(np.float64)
        self.holders = values("JOINTS_0", "VEC4").astype(np.int64)
        weights = values("WEIGHTS_0", "VEC4").astype(np.float64)
        self.weights = weights / weights.sum(1, keepdims=True)
        corners = document.accessor(part.whole("indices"), "SCALAR")
        faces = corners.astype(np.int64).reshape(-1, 3)
        back = (self.vertices - self.bound[0, :3, 3]) @ self.bound[0, :3, 2]
        self.faces = faces[(back[faces] <= behind).all(1)]

    def held(self, curls: tuple[float, ...]) -> tuple[Floats, Floats]:
        """Joints (25, 3) and vertices (V, 3) with each finger curled by a share of 0 to 1."""
        places = self.bound.copy()
        for rows, curl in zip(FINGERS, curls, strict=True):
            parent = 0
            for row, degrees in zip(rows, (*(THUMB if len(rows) == 4 else LONG), 0.0), strict=True):
                bend = np.eye(4)
                # x is a joint's hinge, -z where its bone points, and y its back.
                bend[:3, :3] = Rotation.from_euler("x", -curl * degrees, True).as_matrix()
                places[row] = places[parent] @ self.inverse[parent] @ self.bound[row] @ bend
                parent = row
        blend = (self.weights[..., None, None] * (places @ self.inverse)[self.holders]).sum(1)
        skin = np.einsum("vij,vj->vi", blend[:, :3, :3], self.vertices) + blend[:, :3, 3]
        return places[:, :3, 3], np.asarray(skin)


class RiggedHands(Hands):
    """Depth images of the hand in each pose, as often, turned any way."""

    categories = tuple(POSES)

    def __init__(self, rig: Rig, points: int, views: int) -> None:
        super().__init__(points, 0, False)
        self.rig, self.views = rig, views

    def __len__(self) -> int:
        return self.views * len(POSES)

    def name(self, index: int) -> str:
        return f"{self.categories[self.label(index)]}-{index // len(POSES):03d}"

    def label(self, index: int) -> int:
        return index % len(POSES)

    def read(self, index: int) -> HandFrame:
        rng = np.random.default_rng(index)
        joints, skin = self.rig.held(POSES[self.categories[self.label(index)]])
        turn = Rotation.random(random_state=rng).as_matrix()
        place = np.array([*rng.uniform(-ASIDE, ASIDE, 2), rng.uniform(NEAR, FAR)])
        place = place - turn @ (skin.min(0) + skin.max(0)) / 2
        depth = depth_image([(skin @ turn.T + place, self.rig.faces)], CAMERAS["sr300"])
        own, _ = to_canonical(joints @ turn.T + place, "webxr")
        return HandFrame(own, "canonical", CAMERAS["sr300"], depth, "right")


def builtin(count: int, config: Any, **more: Any) -> HandClouds:
    """Built-in hands of people that nobody learns from, of both sides."""
    hands = BuiltinHands(config.points, 1000, False, count=count, side="both", **more)
    return HandClouds(hands, config, training=False)


def answered(model: Any, hands: HandClouds, refine: bool) -> tuple[Tensor, Tensor]:
    """What a model answers, refined if asked, and the truth, (N, 21, 3) each."""
    found, truth = [], []
    for batch in DataLoader(hands, 64):
        seen = batch["points"], batch["left"]
        answers = model.alternatives(*seen, STARTS if refine and model.several else 1)
        found.append(model.refined(*seen, answers) if refine else answers[0].joints)
        truth.append(batch["joints"])
    return torch.cat(found), torch.cat(truth)


def apart(hands: HandClouds) -> tuple[Tensor, Tensor]:
    """The joints of a hand like the built-in ones that is laid into what is seen of the rigged
    hand, from its true joints on, and those: how differently the two makers place joints under the
    same skin."""
    batch = next(iter(DataLoader(hands, len(hands))))
    truth, some = batch["joints"], torch.full_like(batch["joints"][..., 0], UNSURE)
    return refined(batch["points"], truth, some, batch["left"])[0], truth


def row(name: str, found: Tensor, truth: Tensor) -> str:
    """Errors in mm: of all joints, aligned, and of each level of the fingers."""
    values = [measured_by.mean_error_mm(found, truth), measured_by.pa_mm(found, truth)]
    values += [measured_by.mean_error_mm(found[:, at], truth[:, at]) for at in LEVELS.values()]
    return f"| {name} | {' | '.join(f'{value:.1f}' for value in values)} |"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of hand_pose")
    options.add_argument("--data", type=Path, required=True, help="folder of hands/")
    options.add_argument("--views", type=int, default=30, help="of each pose")
    options.add_argument("--refine", action="store_true", help="the answers refined, too")
    options.add_argument("--built-in", type=int, default=0, help="built-in hands in each row")
    given = options.parse_args()
    loaded = nvc3d.load(given.checkpoint)
    model, config = loaded.network, loaded.config
    print(f"| mm | mean error | aligned | {' | '.join(LEVELS)} |")
    print(f"|---|{'---:|' * (2 + len(LEVELS))}")
    sets = {}
    if given.built_in:
        sets = {f"built-in{name}": builtin(given.built_in, config, **more) for name, more in HARD}
    for name, behind in (("whole", np.inf), (f"cut {CUT:.0f} mm behind the wrist", CUT)):
        rig = Rig(given.data / "hands" / FILE, behind)
        sets[name] = HandClouds(RiggedHands(rig, config.points, given.views), config, False)
    for name, hands in sets.items():
        for refine in (False, True)[: 1 + given.refine]:
            end = ", refined" if refine else ""
            print(row(f"{name}{end}", *answered(model, hands, refine)), flush=True)
    hands = sets[f"cut {CUT:.0f} mm behind the wrist"]
    print(row("a built-in hand laid into its skin, from the truth on", *apart(hands)))


if __name__ == "__main__":
    main()
