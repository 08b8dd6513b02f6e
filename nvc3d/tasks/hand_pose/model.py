"""From the points of a hand to a code, and from both to its joints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvc3d.encoders import make
from nvc3d.encoders.layers import check_points
from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.hand_pose.config import HandPoseNet
from nvc3d.tasks.hand_pose.heads import COUNT, PoseHead, VoteHead
from nvc3d.tasks.hand_pose.kinematics import bones, rebuilt
from nvc3d.tasks.hand_pose.palm import Palm
from nvc3d.tasks.hand_pose.refine import refined
from nvc3d.tasks.task import Splits, evaluating
from nvc3d.tasks.vocabulary import Vocabulary

UNIT = 100.0
"""Millimetres of the network's unit of length."""
LOOKED = 512
"""From how many hands of training the mean hand is made."""
STARTS = 3
"""From so many answers on a hand is fitted, where there are several."""
SIDE_SCALE = 1.0
"""Of the task's loss, where no gradient of it reaches a nebula by which to measure it."""


class HandPose(NamedTuple):
    """The joints of a batch of hands, in mm before the camera, and how they came about."""

    joints: Tensor  # (B, 21, 3)
    palm: Tensor | None  # (B, 21, 3): those of the palm as they were told first
    coarse: Tensor  # (B, 21, 3): those that the code alone tells
    votes: Tensor | None  # (B, P, 21, 3): those that each point tells
    exemplar: Tensor | None  # (B, 21, 3): those of the anchors' poses
    log_scale: Tensor  # (B, 21): of a Laplace distribution of the joints' errors
    code: Code

    @property
    def expected_error(self) -> Tensor:
        """How far each joint is from the truth on average, as the model reckons, (B, 21) mm."""
        return 3 * self.log_scale.exp()


class Seen(NamedTuple):
    """Hands in a frame of their own, in the network's unit."""

    points: Tensor  # (B, P, 3)
    centre: Tensor  # (B, 3) mm before the camera
    axes: Tensor  # (B, 3, 3), as columns

    def placed(self, found: Tensor) -> Tensor:
        """Places (B, ..., 3) in the frame, in mm before the camera."""
        with torch.autocast(found.device.type, enabled=False):
            rows = found.float().flatten(1, -2) @ self.axes.mT * UNIT + self.centre[:, None]
        return rows.view(found.shape)


class HandPoseModel(nn.Module):
    """Tell the joints of hands from the points (B, P, 3) that a depth camera sees of them, in mm.

    Each cloud is seen along its own axes (`to_frame`), in which left hands are right ones, and
    is not scaled: a hand moved, or turned about the camera's axis, moves and turns its joints. A
    first network tells the palm, and all joints are told in the frame of that; outside of training
    a second time in the frame of the palm that was told with them. Of its training data the model
    remembers the mean hand, and the mean lengths of its bones.

    Raises ValueError on a wrong shape or dtype, on empty clouds and on NaN or inf.
    """

    mean_pose: Tensor  # (21, 3) mm
    mean_bones: Tensor  # (20,) mm
    learned: Tensor  # (21,) bool: the joints that training told

    def __init__(self, config: HandPoseNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.form = config.nebula_form
        self.palm = Palm(config.encoder, config.hidden, config.hidden) if config.palm else None
        self.encoder = make(config.encoder, 3, config.dim, pointwise=config.votes)
        self.bottleneck: Bottleneck = self._bottleneck(config)
        latent = config.latent_dim if self.form == "exemplars" else self.bottleneck.embedding_dim
        told = config.dim if self.form == "side" else self.bottleneck.embedding_dim
        self.pose = PoseHead(told if self.form == "side" else latent, config.hidden)
        self.exemplars = (
            nn.Parameter(torch.zeros(config.anchors, COUNT, 3))
            if self.form == "exemplars"
            else None
        )
        self.votes = VoteHead(self.encoder.point_dim, told, config.hidden) if config.votes else None
        self.log_scale = nn.Linear(config.hidden + COUNT * config.votes, COUNT)
        self.kinematic = config.kinematic
        self.register_buffer("mean_pose", torch.zeros(COUNT, 3))
        self.register_buffer("mean_bones", torch.ones(COUNT - 1))
        self.register_buffer("learned", torch.ones(COUNT, dtype=torch.bool))

    def _bottleneck(self, config: HandPoseNet) -> Bottleneck:
        if self.form == "side":
            return Nebula(
                config.dim,
                config.anchors,
                config.latent_dim,
                weight=config.nebula_weight,
                scale=SIDE_SCALE,
            )
        return bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )

    @property
    def several(self) -> bool:
        """Whether there are other answers than one."""
        return self.bottleneck.answers != 1 and self.form != "side"

    def forward(self, points: Tensor, left: Tensor) -> HandPose:
        seen, palm = self._seen(points, left)
        feature, of_points = self.encoder(seen.points)
        code = self.bottleneck(feature)
        told = feature if self.form == "side" else code.embedding
        return self._decoded(code, told, of_points, seen, palm)

    def alternatives(
        self,
        points: Tensor,
        left: Tensor,
        count: int,
        generator: torch.Generator | None = None,
    ) -> list[HandPose]:
        """Several plausible answers, the first of them the best guess, which is what `forward`
        gives in evaluation mode.

        Raises ValueError as `forward` does, and on a count other than 1 where the code has one
        answer.
        """
        if count != 1 and not self.several:
            raise ValueError(
                "this model gives one answer: train it with a nebula that hands its code on, or a "
                f"vae; got a count of {count}"
            )
        with evaluating(self):
            if not self.several:
                return [self(points, left)]
            seen, palm = self._seen(points, left)
            feature, of_points = self.encoder(seen.points)
            codes = self.bottleneck.alternatives(feature, count, generator)
            every = [codes.at(i) for i in range(count)]
            return [self._decoded(code, code.embedding, of_points, seen, palm) for code in every]

    def mean_hand(self, points: Tensor, left: Tensor) -> Tensor:
        """The joints (B, 21, 3) of the mean hand of training, about the mean of the points."""
        _, centre, frame = to_frame(points, left)
        return self.mean_pose @ frame.mT + centre[:, None]

    def refined(self, points: Tensor, left: Tensor, answers: Sequence[HandPose]) -> Tensor:
        """The joints (B, 21, 3) of a hand with skin that is fitted to the points and to what was
        answered: of those fitted to the first `STARTS` answers the one that fits best. Raises
        ValueError where training told no joint of some."""
        if not bool(self.learned.all()):
            raise ValueError("only a model that tells all 21 joints can be refined")
        some = answers[:STARTS]
        joints = torch.cat([own.joints for own in some])
        error = torch.cat([own.expected_error for own in some])
        count = len(some)
        fitted, misfit = refined(points.repeat(count, 1, 1), joints, error, left.repeat(count))
        best = misfit.view(count, -1).argmin(0)
        return fitted.view(count, *answers[0].joints.shape)[best, torch.arange(len(best))]

    def _seen(self, points: Tensor, left: Tensor) -> tuple[Seen, Tensor | None]:
        """Hands in the frame in which their joints are told, and the palm by which it was found."""
        seen = Seen(*to_frame(points, left))
        if self.palm is None:
            return seen, None
        found = self.palm(seen.points)
        palm = seen.placed(found)
        seen = self._turned(points, seen, found)
        if not self.training:
            feature, of_points = self.encoder(seen.points)
            code = self.bottleneck(feature)
            told = feature if self.form == "side" else code.embedding
            joints = self._decoded(code, told, of_points, seen, palm).joints
            seen = self._turned(points, seen, (joints - seen.centre[:, None]) @ seen.axes / UNIT)
        return seen, palm

    def _turned(self, points: Tensor, seen: Seen, joints: Tensor) -> Seen:
        """Points (B, P, 3) in the frame of the palm of joints (B, 21, 3) in the frame so far."""
        assert self.palm is not None
        with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
            turn, middle = self.palm.frame(joints.float())
            centre = seen.centre + UNIT * (seen.axes @ middle[..., None])[..., 0]
            axes = seen.axes @ turn
            return Seen((points - centre[:, None]) @ axes / UNIT, centre, axes)

    def _decoded(
        self, code: Code, told: Tensor, of_points: Tensor, seen: Seen, palm: Tensor | None
    ) -> HandPose:
        """Joints of codes and of what is `told` (B, ?) by them, in the frame of the camera."""
        latents = told if self.exemplars is None else code.z.to(told.dtype)
        offset, hidden = self.pose(latents)
        start = self.mean_pose / UNIT if self.palm is None else self.palm.mean
        exemplar = None
        if self.exemplars is not None:
            # Anchors that are pulled by their poses would leave the latents.
            share = code.assignment.detach().to(told.dtype)
            exemplar = start + torch.einsum("bm,mjc->bjc", share, self.exemplars)
            offset = offset + torch.einsum(
                "bm,mjc->bjc", told[:, latents.shape[1] :], self.exemplars
            )
        joints = coarse = start + offset
        votes, known = None, hidden
        if self.votes is not None:
            voted = self.votes(seen.points, of_points, told)
            joints, votes = voted.joints, voted.votes
            known = torch.cat([hidden, voted.spread.clamp_min(1e-4).log()], -1)
        if self.kinematic:
            joints = rebuilt(joints, self.mean_bones / UNIT)

        return HandPose(
            seen.placed(joints),
            palm,
            seen.placed(coarse),
            None if votes is None else seen.placed(votes),
            None if exemplar is None else seen.placed(exemplar),
            # How sure it is must not change what it says.
            self.log_scale(known.detach()).float() + math.log(UNIT),
            code,
        )


def to_frame(points: Tensor, left: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points (B, P, 3) in mm in a frame of their own, in the network's unit: left hands (B,)
    mirrored, about their mean, along their principal axes, the longest of which is the second, the
    shortest the third and toward the camera.

    Gives the points, the means (B, 3), and the frames (B, 3, 3), whose columns are their axes.
    """
    check_points(points, 3, at_least=1)
    if left.shape != points.shape[:1] or left.dtype != torch.bool:
        raise ValueError(
            f"left must be bool ({len(points)},), one for each hand, "
            f"got {left.dtype} {tuple(left.shape)}"
        )
    centre = points.mean(1)
    moved = points - centre[:, None]
    # Half precision would round lengths to millimetres.
    with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
        thin, _, long = torch.linalg.eigh(moved.mT @ moved).eigenvectors.unbind(-1)  # (B, 3) each
        thin = torch.where(thin[:, 2:] > 0, -thin, thin)
        # Of the two ways to lie along an axis, the one with few points far out.
        skew = torch.einsum("bpc,bc->bp", moved, long).pow(3).sum(1)
        long = torch.where(skew[:, None] < 0, -long, long)
        across = torch.linalg.cross(long, thin) * torch.where(left, -1.0, 1.0).to(points)[:, None]
        frame = torch.stack([across, long, thin], -1)
        return moved @ frame / UNIT, centre, frame


def begin(model: HandPoseModel, splits: Splits, seed: int) -> None:
    """Let the model know the mean hand of training, and which joints are told there."""
    chosen = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(seed))
    items = [splits.train[int(i)] for i in chosen[:LOOKED]]
    joints, mask = (
        torch.stack([item[name] for item in items]) for name in ("joints", "joint_mask")
    )
    points, left = (torch.stack([item[name] for item in items]) for name in ("points", "left"))
    _, centre, frame = to_frame(points, left)
    around = torch.where(mask[..., None], (joints - centre[:, None]) @ frame, torch.nan)
    model.learned.copy_(mask.any(0))
    if model.palm is not None:
        model.palm.remember(around.nan_to_num(0) / UNIT, mask)
    model.mean_pose.copy_(around.nanmean(0).nan_to_num(0))
    lengths = torch.linalg.vector_norm(bones(around), dim=-1).nanmean(0)  # (20,)
    if model.kinematic and bool(lengths.isnan().any()):
        raise ValueError(
            "--kinematic needs the length of every bone, and the training data lack joints"
        )
    model.mean_bones.copy_(lengths.nan_to_num(1))
