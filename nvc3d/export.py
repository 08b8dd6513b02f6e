"""Trained models as programs that run without nvc3d's Python: torch.export, AOTInductor, ONNX."""

from __future__ import annotations

import json
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from nvc3d.atomic import atomic_write
from nvc3d.extras import require
from nvc3d.loaded import Model
from nvc3d.tasks.task import Program

ABOUT = "nvc3d.json"
"""What an exported file holds beside the program: its inputs, outputs and names."""


def export(model: Model) -> ExportedProgram:
    """The program of a model's network, for batches and clouds of any size.

    It computes in float32 on the CPU, and calls nvc3d's operators: `import nvc3d`, or in C++ the
    library alone, brings them.

    Raises ValueError where nothing of the task can be exported.
    """
    program = _program(model)
    any_size = {
        name: {0: Dim.AUTO, **({1: Dim.AUTO} if name in program.free else {})}
        for name in program.inputs
    }
    module = program.module.eval()
    shapes: Any = tuple(any_size.values())
    kinds = [parameter.kind for parameter in signature(module.forward).parameters.values()]
    starred = Parameter.VAR_POSITIONAL in kinds
    with torch.no_grad():
        return torch.export.export(
            module,
            tuple(value.clone() for value in program.inputs.values()),
            dynamic_shapes=(shapes[0], shapes[1:]) if starred else shapes,
        )


def write(model: Model, path: Path, *, compiled: bool = False) -> None:
    """Write the program of a model to a file, with its inputs, outputs and names as JSON.

    Args:
        model: on the CPU.
        path: of the file, NAME.pt2 or NAME.onnx. `torch.export.load` reads a .pt2; a compiled one
            `torch._inductor.aoti_load_package`, and AOTIModelPackageLoader in C++. An .onnx holds
            standard operators alone, and the JSON in its metadata.
        compiled: a .pt2 of machine code for this kind of machine, by AOTInductor.

    Raises OSError where it cannot be written, ValueError as `export` does, and where ONNX lacks an
    operator of the model.
    """
    exported, about = export(model), {ABOUT: json.dumps(described(model), indent=2)}
    with atomic_write(path) as file:
        if path.suffix == ".onnx":
            require("onnxscript", "to write ONNX")
            from nvc3d.onnx import translated

            program = _program(model)
            proto = translated(exported, [*program.inputs], program.outputs)
            proto.metadata_props.add(key=ABOUT, value=about[ABOUT])
            file.write(proto.SerializeToString())
        elif compiled:
            from torch._inductor import aoti_compile_and_package

            package = aoti_compile_and_package(
                exported,
                package_path=f"{file.name}.pt2",
                inductor_configs={"aot_inductor.metadata": about},
            )
            made = Path(str(package))
            file.write(made.read_bytes())
            made.unlink()
        else:
            torch.export.save(exported, file, extra_files=about)


def described(model: Model) -> dict[str, Any]:
    """What must be known to use an exported program, as JSON values."""
    program = _program(model)
    return {
        "task": model.task.name,
        "inputs": {
            name: [str(value.dtype).removeprefix("torch."), *_axes(program, name, value)]
            for name, value in program.inputs.items()
        },
        "outputs": list(program.outputs),
        "vocabulary": model.vocabulary.to_dict(),
    }


def _axes(program: Program, name: str, value: torch.Tensor) -> list[int | str]:
    free = ["batch", *(["points"] if name in program.free else [])]
    return [*free, *value.shape[len(free) :]]


def _program(model: Model) -> Program:
    if model.task.program is None:
        raise ValueError(f"models of task {model.task.name} are not exported")
    return model.task.program(model.network.cpu(), model.config)
