"""torch_scatter: values with the same index reduced one by one, with ties, gaps and gradients."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from nvc3d.compat import torch_scatter

SRC = torch.tensor([[4.0, 2, 3, 4, 1, 4], [0, -1, 5, 2, 2, 7]], dtype=torch.float64)
INDEX = torch.tensor([0, 2, 2, 0, 4, 0])
LOOP = {
    "sum": torch.sum,
    "mean": torch.mean,
    "mul": torch.prod,
    "min": torch.amin,
    "max": torch.amax,
}


def plain(reduce: str, empty: float) -> Tensor:
    found = torch.full((2, 6), empty, dtype=torch.float64)
    for place in INDEX.unique():
        found[:, place] = LOOP[reduce](SRC[:, place == INDEX], 1)
    return found


@pytest.mark.parametrize("reduce", list(LOOP))
def test_reductions(reduce: str) -> None:
    call = getattr(torch_scatter, f"scatter_{reduce}")
    found = call(SRC, INDEX, dim=1, dim_size=6)
    if reduce in ("min", "max"):
        found, place = found
        first = getattr(SRC[:, INDEX == 0], f"arg{reduce}")(1)
        assert place[:, 0].tolist() == torch.tensor([0, 3, 5])[first].tolist()
        assert place[0].tolist() == [0, 6, {"min": 1, "max": 2}[reduce], 6, 4, 6]
    torch.testing.assert_close(found, plain(reduce, 1.0 if reduce == "mul" else 0.0))
    if reduce == "mul":
        return
    along = torch_scatter.scatter(SRC.t(), INDEX, dim=0, reduce=reduce)
    torch.testing.assert_close(along, plain(reduce, 0.0).t()[:5])
    ends = torch.tensor([0, 2, 2, 5, 6])
    parts = torch_scatter.segment_csr(SRC.t(), ends, reduce=reduce)
    for row, (begin, end) in enumerate(pairwise(ends.tolist())):
        one = LOOP[reduce](SRC[:, begin:end], 1) if end > begin else torch.zeros(2).double()
        torch.testing.assert_close(parts[row], one)
    assert torch.equal(
        torch_scatter.segment_coo(SRC[0], INDEX.sort().values, reduce=reduce)[3:4],
        torch.zeros(1).double(),
    )
    values = SRC.clone().add_(torch.arange(12).view(2, 6) * 1e-3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v: torch_scatter.scatter(v, INDEX, dim=1, reduce=reduce), (values,)
    )


def test_of_equal_values_the_first_has_the_gradient() -> None:
    values = SRC.clone().requires_grad_()
    torch_scatter.scatter_max(values, INDEX, dim=1)[0][0, 0].backward()
    assert values.grad[0].tolist() == [1, 0, 0, 0, 0, 0]


def test_out_is_added_to() -> None:
    out = torch.ones(2, 5, dtype=torch.float64)
    found = torch_scatter.scatter_add(SRC, INDEX, dim=1, out=out)
    torch.testing.assert_close(found, 1 + plain("sum", 0.0)[:, :5])


def test_softmax_and_gathering() -> None:
    share = torch_scatter.scatter_softmax(SRC, INDEX, dim=1)
    for place in INDEX.unique():
        here = place == INDEX
        torch.testing.assert_close(share[:, here], SRC[:, here].softmax(1))
    total = torch_scatter.scatter_logsumexp(SRC, INDEX, dim=1)
    spread = torch_scatter.scatter_std(SRC, INDEX, dim=1)
    for place in (0, 2):
        here = SRC[:, place == INDEX]
        torch.testing.assert_close(total[:, place], here.logsumexp(1))
        torch.testing.assert_close(spread[:, place], here.std(1), atol=1e-5, rtol=0)
    assert not total[:, 1].any() and not spread[:, 1].any()
    parts = torch.tensor([[10.0, 20], [30, 40]])
    assert torch_scatter.gather_csr(parts, torch.tensor([[0, 1, 3], [0, 2, 3]])).tolist() == [
        [10, 20, 20],
        [30, 30, 40],
    ]
    with pytest.raises(ValueError, match="reduce must be"):
        torch_scatter.scatter(SRC, INDEX, reduce="median")
