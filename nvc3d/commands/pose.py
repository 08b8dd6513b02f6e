"""`nvc3d pose`: the joints of the hands that a depth camera saw."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nvc3d.commands.arguments import Parser, parser
from nvc3d.commands.cameras import add_camera, images, numbers
from nvc3d.commands.saying import shown
from nvc3d.commands.targets import of_views, with_end

if TYPE_CHECKING:
    from nvc3d.commands.posing.frames import Frame
    from nvc3d.geometry.hand_finding import FoundHand
    from nvc3d.tasks.hand_pose import HandPoseAnswer

LEAST = 32
"""How many points a hand must be seen by."""
MOST = 2
"""How many hands of a frame are told, where nobody says where they are."""


def main(arguments: Sequence[str]) -> int:
    """Tell the joints of files; one that cannot be read does not stop the others."""
    given = _options().parse_args(arguments)
    if given.samples < 1:
        raise ValueError(f"--samples must be at least 1, got {given.samples}")
    if given.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {given.seed}")
    if given.rate <= 0:
        raise ValueError(f"--rate must be positive, got {given.rate:g}")
    centre = numbers("--centre", given.centre, 2, 3)
    box = numbers("--bbox", given.bbox, 4)
    said = [name for name in ("centre", "bbox", "mask") if getattr(given, name) is not None]
    if len(said) > 1:
        raise ValueError(f"give one of {', '.join('--' + name for name in said)}, not several")
    if given.stream and (said or given.samples > 1):
        raise ValueError("--stream follows a hand by itself: leave --centre, --samples ... out")

    # Here, so that --help does not wait for torch.
    from nvc3d.commands.each import each_file
    from nvc3d.commands.posing.frames import reader
    from nvc3d.commands.posing.places import Place
    from nvc3d.commands.posing.units import doubt, larger
    from nvc3d.extras import require
    from nvc3d.geometry import Cloud
    from nvc3d.geometry.hand_finding import NoHand
    from nvc3d.loaded import load

    read = reader(images(given))
    targets = _targets(given.files, given.output)
    require("PIL.Image", "to draw what was found")
    model = load(given.checkpoint)
    if model.task.name != "hand_pose":
        raise ValueError(
            f"{shown(given.checkpoint)} holds a model of task {model.task.name}, not of hand_pose"
        )
    place = Place(centre, box, given.mask)
    side = None if given.hand == "auto" else given.hand

    def answer(hand: FoundHand, side: str | None) -> HandPoseAnswer:
        if len(hand.points) < LEAST:
            raise ValueError(
                f"the hand is seen by {len(hand.points)} points, expected {LEAST} or more"
            )
        cloud = Cloud(hand.points, unit=0.001)
        found: HandPoseAnswer = model(
            cloud, side=side, samples=given.samples, refine=given.refine, seed=given.seed
        )
        return found

    if given.stream:
        return _stream(read, targets, answer, side, given.rate)

    def work(file: Path, target: Path) -> str:
        frame = read(file)
        try:
            hands = place.hands(frame, MOST)
        except NoHand as error:
            raise NoHand(f"{error}{larger(frame)}") from error
        answers = [answer(hand, side) for hand in hands]
        doubt(frame, hands[0], answers[0], lambda hand: answer(hand, side))
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, frame, hands, answers)
        return (
            f"{shown(file)}: {_said(answers, side is None)}, written to {shown(target)}-pose.json"
        )

    each_file(targets, work, "done")
    return 0


def _stream(
    read: Callable[[Path], Frame],
    targets: dict[Path, Path],
    answer: Callable[[FoundHand, str | None], HandPoseAnswer],
    side: str | None,
    rate: float,
) -> int:
    """Follow a hand through the files, in the order of their numbers."""
    from concurrent.futures import Future, ThreadPoolExecutor

    from nvc3d.commands.each import each_file
    from nvc3d.commands.posing.stream import Follower, Times
    from nvc3d.commands.posing.units import doubt

    follower, times = Follower(answer, side, rate), Times()
    pending: list[Future[None]] = []

    def work(file: Path, target: Path) -> str:
        with times.measured() as kind:
            frame = read(file)
            step = follower.next(frame)
            if step is not None and step.searched:
                doubt(frame, step.hand, step.answer, lambda hand: answer(hand, side))
            while pending:  # what was told of the frame before is written by now, or says why not
                pending.pop().result()
            target.parent.mkdir(parents=True, exist_ok=True)
            hands, answers = ([], []) if step is None else ([step.hand], [step.answer])
            pending.append(writer.submit(_write, target, frame, hands, answers))
            if step is None:
                return f"{shown(file)}: no hand"
            kind.append("looked for" if step.searched else "followed")
        return f"{shown(file)}: {_said(answers, False)}, {kind[0]}"

    ordered = {file: targets[file] for file in sorted(targets, key=_by_numbers)}
    # A disk is slow, and the next frame need not wait for it.
    with ThreadPoolExecutor(1) as writer:
        try:
            each_file(ordered, work, "done")
        finally:
            if told := str(times):
                print(f"frames read, told and written: {told}")
    for last in pending:
        last.result()
    return 0


def _write(
    target: Path, frame: Frame, hands: Sequence[FoundHand], answers: Sequence[HandPoseAnswer]
) -> None:
    """NAME-pose.json, .npy and .png; of several samples NAME-pose-1.json and so on."""
    from dataclasses import replace

    from nvc3d.files.written import POSE, numbered
    from nvc3d.tasks.hand_pose.answer import write_joints
    from nvc3d.viz.hand_in_image import HandInImage, draw_hand_in_image

    count = len(answers[0].samples) if answers else 1
    for at, path in enumerate(numbered(with_end(target, f"{POSE}.json"), count)):
        write_joints(path, [replace(found, joints=found.samples[at]) for found in answers])
    drawn = [
        HandInImage(found.side, joints, hand.centre, hand.cube)
        for hand, found in zip(hands, answers, strict=True)
        for joints in found.samples
    ]
    draw_hand_in_image(with_end(target, f"{POSE}.png"), *frame.image(), drawn)


def _said(answers: Sequence[HandPoseAnswer], chosen: bool) -> str:
    import numpy as np

    sides = " and ".join(f"a {found.side} hand" for found in answers)
    why = ", of which the model is surer" if chosen else ""
    error = max(float(np.nanmean(found.expected_error)) for found in answers)
    return f"{sides}{why}; it expects to err by {error:.0f} mm"


def _targets(given: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Where what is told of each file goes, without the end of the names."""
    from nvc3d.files.written import POSE

    return of_views(
        given, output, [f"{POSE}{end}" for end in (".json", ".npy", ".png")], rf"{POSE}(-\d+)?"
    )


def _by_numbers(file: Path) -> list[tuple[int, str]]:
    """So that 9.png comes before 10.png."""
    parts = re.split(r"(\d+)", file.as_posix())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _options() -> Parser:
    options = parser("pose", "Tell the 21 joints of the hands that a depth camera saw.")
    options.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="depth image (PNG of 16 bits) or cloud before the camera, or a folder of such",
    )
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder for NAME-pose.json, NAME-pose.npy and NAME-pose.png of each file",
    )
    add_camera(options)
    options.add_argument(
        "--hand",
        choices=("left", "right", "auto"),
        default="auto",
        help="which it is; auto: that of which the model is surer (default)",
    )
    options.add_argument(
        "--centre", metavar="U,V|X,Y,Z", help="of the hand: a pixel, or mm before the camera"
    )
    options.add_argument(
        "--bbox", metavar="LEFT,TOP,RIGHT,BOTTOM", help="around the hand, in pixels"
    )
    options.add_argument("--mask", type=Path, help="image that is not 0 where the hand is")
    options.add_argument(
        "--samples", type=int, default=1, metavar="K", help="tell K plausible poses (default: 1)"
    )
    options.add_argument(
        "--refine",
        action="store_true",
        help="fit a hand with skin to the joints and the points, and tell its joints",
    )
    options.add_argument(
        "--stream",
        action="store_true",
        help="the files are the frames of a film: follow the nearest hand through them, and smooth "
        "its motion",
    )
    options.add_argument(
        "--rate", type=float, default=30.0, help="frames a second of the film (default: 30)"
    )
    options.add_argument("--seed", type=int, default=0, help="of the points drawn (default: 0)")
    return options
