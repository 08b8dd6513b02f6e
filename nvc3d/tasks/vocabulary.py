"""What a model knows of its data, by name: saved in config.json, never among the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Vocabulary:
    """The names of what a data set holds.

    Args:
        groups: of its items: the categories of shapes, or the areas of scenes.
        labels: of points or voxels; none where nothing is labelled.
        of_group: group -> the labels that its points can have; empty where any group's can have
            any.
        channels: numbers that come with each point beside its position.
        sizes: the smallest and the largest radius of its shapes in metres, where these tell what
            they are.
        principal: whether its shapes are better seen along their principal axes than as they are.
        image: channels, height and width of its images, where it is of images.
    """

    groups: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    of_group: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    channels: int = 0
    principal: bool = False
    sizes: tuple[float, float] | None = None
    image: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        for name, values in self.of_group.items():
            if not all(0 <= label < len(self.labels) for label in values):
                raise ValueError(
                    f"the labels of {name} must be from 0 to {len(self.labels) - 1}, got {values}"
                )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        values = {
            "groups": list(self.groups),
            "labels": list(self.labels),
            "of_group": {name: list(values) for name, values in self.of_group.items()},
            "channels": self.channels,
            "principal": self.principal,
            "sizes": None if self.sizes is None else list(self.sizes),
        }
        return values if self.image is None else values | {"image": list(self.image)}

    @classmethod
    def from_dict(cls, values: Any) -> Vocabulary:
        """From what `to_dict` gave. Raises ValueError on anything else."""
        # Older runs do not tell the last two, and none but those of images the image.
        later = {"principal": False, "sizes": None}
        if not isinstance(values, dict) or set(later | values) - {"image"} != set(cls().to_dict()):
            raise ValueError(f"the vocabulary must have the fields {', '.join(cls().to_dict())}")
        values = later | values
        of_group, principal = values["of_group"], values["principal"]
        typed = isinstance(of_group, dict) and isinstance(principal, bool)
        if not typed or not isinstance(values["channels"], int):
            raise ValueError("the vocabulary has a field of a wrong type")
        return cls(
            _names(values["groups"]),
            _names(values["labels"]),
            {name: _numbers(labels) for name, labels in of_group.items()},
            values["channels"],
            principal,
            _range(values["sizes"]),
            _image(values.get("image")),
        )


def _names(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"names in a vocabulary must be a list of strings, got {values!r}")
    return tuple(values)


def _numbers(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise ValueError(f"labels in a vocabulary must be a list of whole numbers, got {values!r}")
    return tuple(values)


def _range(values: Any) -> tuple[float, float] | None:
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != 2 or not 0 < values[0] <= values[1]:
        raise ValueError(f"sizes in a vocabulary must be two positive numbers, got {values!r}")
    return float(values[0]), float(values[1])


def _image(values: Any) -> tuple[int, int, int] | None:
    if values is None:
        return None
    found = _numbers(values)
    if len(found) != 3 or found[0] not in (1, 3) or min(found) < 1:
        raise ValueError(
            f"the image of a vocabulary must be channels, height and width, got {values!r}"
        )
    return found[0], found[1], found[2]
