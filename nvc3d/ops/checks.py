"""What every operator asks of its arguments, in Python: for tracing and for the plain definitions.

The compiled kernels ask the same in csrc/checks.h, where the values can be seen without a copy.
"""

from __future__ import annotations

import torch
from torch import Tensor


def as_points(value: Tensor, name: str) -> Tensor:
    """A float32 or float64 tensor: half and bfloat16 are computed in float32."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dtype in (torch.float16, torch.bfloat16):
        return value.float()
    return value


def as_lengths(value: Tensor | None, name: str) -> Tensor | None:
    """Lengths as int64."""
    if value is None:
        return None
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dtype == torch.int64:
        return value
    if value.is_floating_point() or value.dtype == torch.bool:
        raise ValueError(f"{name} must be integers, got {value.dtype}")
    return value.to(torch.int64)


def check(condition: bool, message: str) -> None:
    """Raise ValueError unless the condition holds; in fake kernels also for symbolic sizes."""
    if torch.compiler.is_dynamo_compiling():
        # There a message may not hold sizes; the operator's own check says what is wrong.
        torch._check_value(condition)
    elif condition is not True:  # false, or symbolic
        torch._check_value(condition, lambda: message)


def check_points(points: Tensor, name: str, lengths: Tensor | None = None) -> None:
    """A padded batch (B, N, D), which may be empty, float32 or float64."""
    shape = tuple(points.shape)
    check(points.dim() == 3, f"{name} must be (B, N, D), got {shape}")
    check_float(points, name)
    if lengths is not None:
        check(
            lengths.dim() == 1 and lengths.shape[0] == shape[0],
            f"the lengths of {name} must be ({shape[0]},), got {tuple(lengths.shape)}",
        )
        check(
            lengths.device == points.device,
            f"the lengths of {name} are on {lengths.device}, {name} is on {points.device}",
        )


def check_clouds(points: Tensor, name: str, lengths: Tensor | None = None) -> None:
    """The same of clouds that are not empty."""
    check_points(points, name, lengths)
    for size in points.shape[1:]:
        check(size > 0, f"{name} must not be empty, got {tuple(points.shape)}")


def check_float(value: Tensor, name: str) -> None:
    """float32 or float64."""
    check(
        value.dtype in (torch.float32, torch.float64),
        f"{name} must be a floating point tensor, got {value.dtype}",
    )


def check_pair(x: Tensor, y: Tensor, x_name: str = "x", y_name: str = "y") -> None:
    """Two batches that can be compared: same batch size, dimension, dtype and device."""
    check(
        x.dim() != 3 or x.shape[0] == y.shape[0],
        f"{x_name} and {y_name} must have the same batch size, got {tuple(x.shape)} "
        f"and {tuple(y.shape)}",
    )
    check(
        x.shape[-1] == y.shape[-1],
        f"{x_name} and {y_name} must have the same dimension, got {tuple(x.shape)} "
        f"and {tuple(y.shape)}",
    )
    check(
        x.dtype == y.dtype,
        f"{x_name} and {y_name} must have the same dtype, got {x.dtype} and {y.dtype}",
    )
    check(
        x.device == y.device,
        f"{x_name} and {y_name} must be on the same device, got {x.device} and {y.device}",
    )


def check_neighbours(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    norm: int = 2,
) -> None:
    """What the neighbour operators ask of shapes, dtypes and devices."""
    check_clouds(x, "x", x_lengths)
    check_clouds(y, "y", y_lengths)
    check_pair(x, y)
    check_norm(norm)


def check_norm(norm: int) -> None:
    """Squared Euclidean or L1 distances."""
    check(norm in (1, 2), f"norm must be 1 or 2, got {norm}")


def check_ball(
    x: Tensor,
    y: Tensor,
    k: int,
    squared_radius: float,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
) -> None:
    """What the ball query asks of its arguments; k may be more than the points there are."""
    check_neighbours(x, y, x_lengths, y_lengths)
    check(k >= 1, f"k must be at least 1, got {k}")
    check(squared_radius >= 0, f"squared_radius must not be negative, got {squared_radius}")


def check_matching(x: Tensor, y: Tensor, lengths: Tensor | None, tolerance: float) -> None:
    """What a one-to-one matching asks of its arguments: as many points on both sides."""
    check_clouds(x, "x", lengths)
    check_clouds(y, "y", lengths)
    check_pair(x, y)
    check(
        x.shape[1] == y.shape[1],
        f"x and y must have the same number of points, got {tuple(x.shape)} and {tuple(y.shape)}",
    )
    check(tolerance >= 0, f"tolerance must not be negative, got {tolerance}")


def check_anchors(latents: Tensor, anchors: Tensor) -> None:
    """Latents (N, D) and at least one anchor (M, D)."""
    for value, name in ((latents, "latents"), (anchors, "anchors")):
        check(value.dim() == 2, f"{name} must be (N, D), got {tuple(value.shape)}")
        check_float(value, name)
    for size in anchors.shape:
        check(size > 0, f"anchors must not be empty, got {tuple(anchors.shape)}")
    check_pair(latents, anchors, "latents", "anchors")


def check_k(k: int, limit: int, name: str) -> None:
    """1 <= k <= limit."""
    check(k >= 1, f"k must be at least 1, got {k}")
    check(k <= limit, f"k must be at most the number of points of {name}, got k = {k} of {limit}")


def check_lengths(lengths: Tensor | None, size: int, name: str, least: int = 1) -> None:
    """Values from `least` to `size`; reads them, so it is not for tracing."""
    if lengths is None:
        return
    for b, length in enumerate(lengths.tolist()):
        check(
            1 <= length <= size,
            f"the lengths of {name} must be from 1 to {size}, got {length} at position {b}",
        )
        check(
            least <= length,
            f"k must be at most the number of points of {name}, got k = {least} of {length} "
            f"at position {b}",
        )


def check_start(start: Tensor, points: Tensor, lengths: Tensor | None) -> None:
    """First picks inside their clouds; reads them, so it is not for tracing."""
    batch, size = points.shape[:2]
    check(start.shape == (batch,), f"start must be ({batch},), got {tuple(start.shape)}")
    sizes = [size] * batch if lengths is None else lengths.tolist()
    for b, (first, limit) in enumerate(zip(start.tolist(), sizes, strict=True)):
        check(
            0 <= first < limit,
            f"start must be an index of points, from 0 to {limit - 1}, got {first} at position {b}",
        )


def check_choices(
    grad: Tensor, x: Tensor, y: Tensor, index: Tensor, x_lengths: Tensor | None, norm: int
) -> None:
    """Clouds x, which may be empty, their choices among y and the gradient of their distances."""
    check_points(x, "x", x_lengths)
    check_clouds(y, "y")
    check_pair(x, y)
    check(
        grad.dtype == x.dtype and index.dtype == torch.int64,
        f"grad must be {x.dtype} and index torch.int64, got {grad.dtype} and {index.dtype}",
    )
    check(
        index.dim() == 3 and index.shape[:2] == x.shape[:2] and index.shape == grad.shape,
        f"grad and index must be (B, N, K), got {tuple(grad.shape)} and {tuple(index.shape)}",
    )
    check_norm(norm)


def check_cloud(points: Tensor) -> None:
    """One cloud (N, 3)."""
    shape = tuple(points.shape)
    check(points.dim() == 2 and shape[1] == 3, f"points must be (N, 3), got {shape}")
    check_float(points, "points")


def check_long(index: Tensor, points: Tensor, name: str) -> None:
    """int64 beside a cloud."""
    check(
        index.dtype == torch.int64 and index.device == points.device,
        f"{name} must be torch.int64 on {points.device}, got {index.dtype} on {index.device}",
    )


def check_some_neighbourhoods(points: Tensor, index: Tensor, most: int | None = None) -> None:
    """One cloud (N, 3) and some of its neighbourhoods (M, K), of so many points at the most."""
    check_cloud(points)
    check(
        index.dim() == 2 and 0 < index.shape[1] <= (most or index.shape[1]),
        f"index must be (M, K){f' with K from 1 to {most}' if most else ''}, "
        f"got {tuple(index.shape)}",
    )
    check_long(index, points, "index")


def check_neighbourhoods(points: Tensor, index: Tensor) -> None:
    """One cloud (N, 3) and the neighbours (N, K) of its points."""
    check_cloud(points)
    check(
        index.dim() == 2 and index.shape[0] == points.shape[0] and index.shape[1] > 0,
        f"index must be ({points.shape[0]}, K), got {tuple(index.shape)}",
    )
    check_long(index, points, "index")


def check_regions(points: Tensor, region: Tensor, regions: int) -> None:
    """One cloud (N, 3) and the regions (N,) of its points."""
    check_cloud(points)
    check(
        region.shape == points.shape[:1],
        f"region must be ({points.shape[0]},), got {tuple(region.shape)}",
    )
    check_long(region, points, "region")
    check(regions >= 0, f"regions must not be negative, got {regions}")


def check_borders(index: Tensor, region: Tensor) -> None:
    """The neighbours (N, K) of points, and the regions (N,) that those are in."""
    check(region.dim() == 1, f"region must be (N,), got {tuple(region.shape)}")
    check(
        index.dim() == 2 and index.shape[:1] == region.shape and index.shape[1] > 0,
        f"index must be ({len(region)}, K), got {tuple(index.shape)}",
    )
    check_long(index, region, "index")
    check_long(region, region, "region")


def check_planes(
    points: Tensor, index: Tensor, region: Tensor, normal: Tensor, offset: Tensor, reach: Tensor
) -> None:
    """One cloud (N, 3), its neighbours among those with regions (M,), and their planes (P, ...)."""
    check(region.dim() == 1, f"region must be (M,), got {tuple(region.shape)}")
    check_neighbourhoods(points, index)
    check_long(region, points, "region")
    shape = tuple(normal.shape)
    check(normal.dim() == 2 and shape[1] == 3, f"normal must be (P, 3), got {shape}")
    check(
        offset.shape == reach.shape == normal.shape[:1],
        f"offset and reach must be ({shape[0]},), got {tuple(offset.shape)} "
        f"and {tuple(reach.shape)}",
    )
    for tensor in (normal, offset, reach):
        check(
            tensor.dtype == points.dtype and tensor.device == points.device,
            f"normal, offset and reach must be {points.dtype} on {points.device}, "
            f"got {tensor.dtype} on {tensor.device}",
        )


def check_growth(points: Tensor, normal: Tensor, tolerance: Tensor, seeds: Tensor) -> None:
    """What planes grow by: normals (N, 3), tolerances (N,) and seeds (S,)."""
    shape = tuple(points.shape)
    check(normal.shape == points.shape, f"normal must be {shape}, got {tuple(normal.shape)}")
    check(
        tolerance.shape == points.shape[:1],
        f"tolerance must be ({shape[0]},), got {tuple(tolerance.shape)}",
    )
    check(
        normal.dtype == tolerance.dtype == points.dtype,
        f"normal and tolerance must be {points.dtype}, got {normal.dtype} and {tolerance.dtype}",
    )
    check(
        seeds.dim() == 1 and seeds.dtype == torch.int64,
        f"seeds must be (S,) torch.int64, got {tuple(seeds.shape)} {seeds.dtype}",
    )
    check(
        normal.device == tolerance.device == seeds.device == points.device,
        f"normal, tolerance and seeds must be on {points.device}",
    )


def check_choice(index: Tensor, size: int, name: str, first: int = 0) -> None:
    """Choices from `first` to size - 1; reads them, so it is not for tracing."""
    bad = index[(index < first) | (index >= size)]
    if len(bad):
        check(False, f"{name} must be from {first} to {size - 1}, got {int(bad[0])}")


def check_index(index: Tensor) -> None:
    """Chosen neighbours."""
    if index.dtype != torch.int64:
        check(False, f"index must be torch.int64, got {index.dtype}")


def check_rows(index: Tensor, batch: int) -> None:
    """Rows (B, M, K) of a batch, as far as they can be seen without reading them."""
    check_index(index)
    check(
        index.dim() == 3 and index.shape[0] == batch,
        f"index must be ({batch}, M, K), got {tuple(index.shape)}",
    )


def check_grouped(values: Tensor, index: Tensor) -> None:
    """Values (B, N, C), and rows of them."""
    check_points(values, "values")
    check_rows(index, values.shape[0])
    check(
        index.device == values.device,
        f"values are on {values.device}, index is on {index.device}",
    )


def check_pooled(maximum_grad: Tensor, total_grad: Tensor, index: Tensor, which: Tensor) -> None:
    """What of pooled values (B, M, C) their gradient needs."""
    check_points(maximum_grad, "maximum_grad")
    check_rows(index, maximum_grad.shape[0])
    check(
        total_grad.dtype == maximum_grad.dtype and which.dtype == torch.int32,
        f"total_grad must be {maximum_grad.dtype} and which torch.int32, got {total_grad.dtype} "
        f"and {which.dtype}",
    )
    shape = tuple(maximum_grad.shape)
    check(
        total_grad.shape == which.shape == maximum_grad.shape and index.shape[1] == shape[1],
        f"total_grad and which must be {shape}, index of as many rows, got "
        f"{tuple(total_grad.shape)}, {tuple(which.shape)} and {tuple(index.shape)}",
    )
    for tensor in (total_grad, index, which):
        check(
            tensor.device == maximum_grad.device,
            f"all must be on {maximum_grad.device}, got {tensor.device}",
        )


def check_values(points: Tensor, lengths: Tensor | None, name: str) -> None:
    """Finite values, outside of the padding; reads them, so it is not for tracing."""
    bad = ~points.isfinite()
    if lengths is not None:
        bad &= (torch.arange(points.shape[1], device=points.device) < lengths[:, None])[..., None]
    count = int(bad.sum())
    if count:
        first = tuple(bad.nonzero()[0].tolist())
        value = points[first].item()
        check(
            False,
            f"{name} must be finite, got {count} NaN or infinite values, the first ({value}) "
            f"at {list(first)}",
        )
