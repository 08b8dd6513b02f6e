"""Built-in hands: people whose hands differ, their skin, poses, and what a depth camera sees."""

from nvc3d.shapes.hands.skeleton import Pose, Skeleton, joints, turns
from nvc3d.shapes.hands.skin import Hand, make_hand, surface

__all__ = ["Hand", "Pose", "Skeleton", "joints", "make_hand", "surface", "turns"]
