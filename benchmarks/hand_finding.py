"""How near to the joints hands are found in the built-in frames, and how long it takes.

python benchmarks/hand_finding.py --frames 300
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from nvc3d.data.hands.builtin import BuiltinHands
from nvc3d.geometry.hand_finding import NoHand, find_hands

VIEWS: dict[str, dict[str, float]] = {
    "hand alone": {},
    "with its forearm": {"arm": 1},
    "with its forearm, noise of the camera": {"arm": 1, "noise": 1},
    "with its forearm, holding something": {"arm": 1, "object": 1},
}


def row(name: str, frames: int, view: dict[str, float]) -> str:
    hands = BuiltinHands(1, 0, False, count=frames, side="both", **view)  # type: ignore[arg-type]
    errors, seconds = [], []
    for index in range(frames):
        frame = hands.read(index)
        assert frame.depth is not None
        depth = frame.depth / np.float32(1000)
        start = time.process_time()
        try:
            found = find_hands(depth, frame.camera, 1)[0]
        except NoHand:
            continue
        seconds.append(time.process_time() - start)
        errors.append(float(np.linalg.norm(found.centre - frame.canonical[0].mean(0))))
    median, most = np.percentile(errors, (50, 90))
    lost = frames - len(errors)
    return (
        f"| {name} | {median:.0f} mm | {most:.0f} mm | {lost} of {frames} | "
        f"{1000 * np.mean(seconds):.1f} ms |"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--frames", type=int, default=300)
    given = options.parse_args()
    print("| | centre beside the joints' mean, median | 90 of 100 within | not found | time |")
    print("|---|---|---|---|---|")
    for name, view in VIEWS.items():
        print(row(name, given.frames, view), flush=True)


if __name__ == "__main__":
    main()
