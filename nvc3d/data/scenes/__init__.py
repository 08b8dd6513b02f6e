"""Scenes of many points, each with a label, read a stretch at a time and cut into blocks.

| what             | where                                                                    |
|------------------|--------------------------------------------------------------------------|
| `open_scene`     | a scene in a file or a folder, read when its rows are asked for          |
| `S3DIS`          | rooms of office buildings, 13 classes, by area                           |
| `ScanNet`        | rooms as a depth camera saw them, 20 classes, by its own split           |
| `AnnotatedRooms` | rooms in the text files of S3DIS, of any classes                         |
| `ScanNetScans`   | ScanNet as it is handed out, meshes with labels beside them              |
| `KittiFrames`    | frames of a laser scanner on a car, 19 classes                           |
| `find_scenes`    | labelled scenes of the user's own; `LabelledScenes` makes a data set     |
| `vote`           | the label of every point of a scene, by votes of blocks that overlap     |
"""

from nvc3d.data.scenes.annotated import AnnotatedRooms
from nvc3d.data.scenes.base import LabelledScenes, Place
from nvc3d.data.scenes.blocks import Block
from nvc3d.data.scenes.files import open_scene
from nvc3d.data.scenes.kitti_frames import KittiFrames
from nvc3d.data.scenes.own import dealt, find_scenes
from nvc3d.data.scenes.s3dis import S3DIS
from nvc3d.data.scenes.scannet import ScanNet
from nvc3d.data.scenes.scannet_scans import ScanNetScans
from nvc3d.data.scenes.scene import Scene, Survey, of_cloud, survey
from nvc3d.data.scenes.votes import score_points, vote

__all__ = [
    "S3DIS",
    "AnnotatedRooms",
    "Block",
    "KittiFrames",
    "LabelledScenes",
    "Place",
    "ScanNet",
    "ScanNetScans",
    "Scene",
    "Survey",
    "dealt",
    "find_scenes",
    "of_cloud",
    "open_scene",
    "score_points",
    "survey",
    "vote",
]
