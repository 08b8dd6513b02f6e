"""Optional dependencies: imported where they are used, named clearly where they are missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

# extra -> the modules it brings, as pyproject.toml has them
EXTRAS: dict[str, tuple[str, ...]] = {
    "tasks": (
        "accelerate",
        "huggingface_hub",
        "matplotlib",
        "safetensors",
        "tensorboard",
        "tqdm",
        "trimesh",
        "tyro",
    ),
    "las": ("laspy", "lazrs"),
    "e57": ("pye57",),
    "draco": ("DracoPy",),
    "hdf5": ("h5py",),
    "matlab": ("scipy",),
    "shards": ("webdataset", "braceexpand", "fsspec"),
    "yaml": ("yaml",),
    "images": ("PIL", "sklearn", "torchvision"),
    "text": ("google.protobuf", "sacrebleu", "sentencepiece"),
    "metric": ("pytorch_metric_learning",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
}


class MissingExtra(ImportError):
    """An optional dependency is not installed; the message names the command that adds it."""


def require(module: str, why: str) -> ModuleType:
    """Import an optional dependency, e.g. `require("trimesh", "to read meshes")`.

    Raises MissingExtra, in one sentence with the pip command, where it is not installed.
    """
    package = (
        module if any(module in names for names in EXTRAS.values()) else module.partition(".")[0]
    )
    if not installed(package):
        raise MissingExtra(
            f"{package} is needed {why}, and is not installed: run {pip_command(package)}",
            name=package,
        )
    return import_module(module)


def installed(package: str) -> bool:
    """Whether a package is there; it is not imported, but those that it lies in are."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # nor is what it would lie in
        return False


def pip_command(package: str) -> str:
    """The command that installs the extra which brings `package`."""
    for extra, modules in EXTRAS.items():
        if package in modules:
            return f"pip install 'nvc3d[{extra}]'"
    return f"pip install {package}"
