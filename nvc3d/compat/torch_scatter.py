"""torch_scatter's functions in plain torch: its names, signatures and return types.

    from nvc3d.compat.torch_scatter import scatter_max, segment_csr

Results are the peer's: an `out` is written in place; places that nothing falls to are 0, or 1 of
products, with an index past the end; of equal values the first counts, and alone has the gradient.
"""

# torch.jit reads the types in this file while it runs: so no `from __future__ import annotations`.
import torch
from torch import Tensor


def scatter(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """Reduce the values that have the same index along a dimension.

    Args:
        src: values.
        index: integers, of the shape of src, of its first dimensions, or (N,) along `dim`.
        dim: the dimension.
        out: what the values are reduced into; None for a new tensor.
        dim_size: how long the result is; None for as long as the index asks for.
        reduce: "sum", "add", "mean", "mul", "min" or "max".

    Returns:
        As src, with dim_size along the dimension.
    """
    return _scatter(src, index, dim, out, dim_size, reduce)[0]


def scatter_sum(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """The sum; see `scatter`."""
    return _scatter(src, index, dim, out, dim_size, "sum")[0]


def scatter_mul(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """The product; see `scatter`."""
    return _scatter(src, index, dim, out, dim_size, "mul")[0]


def scatter_mean(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """The mean; see `scatter`."""
    return _scatter(src, index, dim, out, dim_size, "mean")[0]


def scatter_min(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The least value, and its place along the dimension; see `scatter`."""
    return _scatter(src, index, dim, out, dim_size, "min")


def scatter_max(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The greatest value, and its place along the dimension; see `scatter`."""
    return _scatter(src, index, dim, out, dim_size, "max")


def segment_coo(
    src: Tensor,
    index: Tensor,
    out: Tensor | None = None,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """As `scatter`, along the last dimension of a sorted index."""
    return _scatter(src, index, index.dim() - 1, out, dim_size, reduce)[0]


def segment_sum_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """The sum; see `segment_coo`."""
    return _scatter(src, index, index.dim() - 1, out, dim_size, "sum")[0]


def segment_mean_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """The mean; see `segment_coo`."""
    return _scatter(src, index, index.dim() - 1, out, dim_size, "mean")[0]


def segment_min_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """The least value, and its place along the dimension; see `segment_coo`."""
    return _scatter(src, index, index.dim() - 1, out, dim_size, "min")


def segment_max_coo(
    src: Tensor, index: Tensor, out: Tensor | None = None, dim_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """The greatest value, and its place along the dimension; see `segment_coo`."""
    return _scatter(src, index, index.dim() - 1, out, dim_size, "max")


def segment_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None, reduce: str = "sum"
) -> Tensor:
    """As `scatter`, by where each part begins (..., M + 1), along its last dimension."""
    return _segment(src, indptr, out, reduce)[0]


def segment_sum_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """The sum; see `segment_csr`."""
    return _segment(src, indptr, out, "sum")[0]


def segment_mean_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """The mean; see `segment_csr`."""
    return _segment(src, indptr, out, "mean")[0]


def segment_min_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The least value and its place along the dimension; see `segment_csr`."""
    return _segment(src, indptr, out, "min")


def segment_max_csr(
    src: Tensor, indptr: Tensor, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The greatest value, and its place along the dimension; see `segment_csr`."""
    return _segment(src, indptr, out, "max")


scatter_add = scatter_sum
segment_add_coo = segment_sum_coo
segment_add_csr = segment_sum_csr


def gather_coo(src: Tensor, index: Tensor, out: Tensor | None = None) -> Tensor:
    """Values at a sorted index, along its last dimension: the reverse of `segment_coo`."""
    return _gather(src, index, out)


def gather_csr(src: Tensor, indptr: Tensor, out: Tensor | None = None) -> Tensor:
    """Give each member of a part its part's values: the reverse of `segment_csr`."""
    return _gather(src, _of_parts(indptr), out)


def scatter_softmax(
    src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None
) -> Tensor:
    """The softmax of the values that have the same index: as src."""
    return scatter_log_softmax(src, index, dim, 0.0, dim_size).exp()


def scatter_log_softmax(
    src: Tensor, index: Tensor, dim: int = -1, eps: float = 1e-12, dim_size: int | None = None
) -> Tensor:
    """The logarithm of `scatter_softmax`."""
    index = _spread(index, src, dim)
    moved = src - scatter(src.detach(), index, dim, None, dim_size, "max").gather(dim, index)
    total = scatter(moved.exp(), index, dim, None, dim_size)
    return moved - (total + eps).log().gather(dim, index)


def scatter_logsumexp(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    eps: float = 1e-12,
) -> Tensor:
    """The logarithm of the sum of exponentials; see `scatter`."""
    dim_size = dim_size if out is None else out.shape[dim]
    index = _spread(index, src, dim)
    best, place = scatter_max(src.detach(), index, dim, None, dim_size)
    best = best.masked_fill(place == src.shape[dim], -torch.inf)
    moved = src - best.gather(dim, index)
    moved = moved.masked_fill(moved.isnan(), -torch.inf)
    begun = None if out is None else (out - best).exp()
    found = (scatter(moved.exp(), index, dim, begun, dim_size) + eps).log() + best
    if out is None:
        return found.nan_to_num(neginf=0.0)
    return out.copy_(torch.where(found.isfinite(), found, out))


def scatter_std(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    unbiased: bool = True,
) -> Tensor:
    """The standard deviation; squares are added to `out`."""
    dim_size = dim_size if out is None else out.shape[dim]
    index = _spread(index, src, dim)
    count = scatter(torch.ones_like(src), index, dim, None, dim_size).clamp_min(1)
    mean = scatter(src, index, dim, None, dim_size) / count
    squares = scatter((src - mean.gather(dim, index)).square(), index, dim, out, dim_size)
    freedom = (count - 1).clamp_min(1) if unbiased else count
    return (squares / (freedom + 1e-6)).sqrt()


@torch.jit.ignore
def _scatter(
    src: Tensor,
    index: Tensor,
    dim: int,
    out: Tensor | None,
    dim_size: int | None,
    reduce: str,
) -> tuple[Tensor, Tensor]:
    """What is reduced, and of "min" and "max" the places too."""
    if reduce not in ("sum", "add", "mean", "mul", "min", "max"):
        raise ValueError(f"reduce must be sum, add, mean, mul, min or max, got {reduce!r}")
    dim %= src.dim()
    index = _spread(index, src, dim)
    if dim_size is None:
        dim_size = int(index.max()) + 1 if index.numel() else 0
    shape = [*src.shape[:dim], dim_size, *src.shape[dim + 1 :]]
    if reduce in ("min", "max"):
        return _extreme(src, index, dim, out, shape, f"a{reduce}")
    if reduce == "mul":
        out = src.new_ones(shape) if out is None else out
        return out.scatter_reduce_(dim, index, src, "prod"), index
    out = src.new_zeros(shape) if out is None else out
    out.scatter_add_(dim, index, src)
    if reduce == "mean":
        count = torch.zeros_like(out).scatter_add_(dim, index, torch.ones_like(src)).clamp_min_(1)
        out.div_(count, rounding_mode=None if out.is_floating_point() else "floor")
    return out, index


def _extreme(
    src: Tensor, index: Tensor, dim: int, out: Tensor | None, shape: list[int], reduce: str
) -> tuple[Tensor, Tensor]:
    length = src.shape[dim]
    with torch.no_grad():
        begun = src.new_zeros(shape) if out is None else out
        best = begun.scatter_reduce(dim, index, src, reduce, include_self=out is not None)
        found = src == best.gather(dim, index)
        if out is not None:  # which is left where no value is beyond it
            found &= src != out.gather(dim, index)
        place = torch.arange(length, device=src.device)
        place = _spread(place, src, dim).masked_fill(~found, length)
        none = torch.full(best.shape, length, device=src.device)
        place = none.scatter_reduce(dim, index, place, "amin")
    if length == 0:
        return begun + src.sum(), place  # 0, with a gradient
    values = src.gather(dim, place.clamp_max(length - 1))
    values = torch.where(place == length, begun, values)
    return (values if out is None else out.copy_(values)), place


@torch.jit.ignore
def _segment(src: Tensor, indptr: Tensor, out: Tensor | None, reduce: str) -> tuple[Tensor, Tensor]:
    parts = max(indptr.shape[-1] - 1, 0)
    found = _scatter(src, _of_parts(indptr), indptr.dim() - 1, None, parts, reduce)
    return found if out is None else (out.copy_(found[0]), found[1])


@torch.jit.ignore
def _gather(src: Tensor, index: Tensor, out: Tensor | None) -> Tensor:
    dim = index.dim() - 1
    found = src.gather(dim, _spread(index, src, dim))
    return found if out is None else out.copy_(found)


@torch.jit.ignore
def _spread(index: Tensor, src: Tensor, dim: int) -> Tensor:
    """An index along one dimension, or of the first ones, as large as src, or longer along dim."""
    dim %= src.dim()
    if index.dim() == 1:
        index = index[(None,) * dim]
    index = index[(..., *(None,) * (src.dim() - index.dim()))]
    shape = list(src.shape)
    shape[dim] = index.shape[dim]
    return index.long().expand(shape)


@torch.jit.ignore
def _of_parts(indptr: Tensor) -> Tensor:
    """The part of each member (..., N), by where each begins (..., M + 1)."""
    counts = indptr[..., 1:] - indptr[..., :-1]
    if indptr.dim() == 1:
        return torch.arange(len(counts), device=indptr.device).repeat_interleave(counts.long())
    rows = [_of_parts(row) for row in indptr.flatten(0, -2)]
    return torch.stack(rows).view(*indptr.shape[:-1], -1)
