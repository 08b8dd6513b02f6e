"""Whatever a broken item raises, the next good one stands in for it; Ctrl-C is no fault."""

from __future__ import annotations

import pytest

from nvc3d.data.stand_ins import StandIns


class Panic(BaseException):
    """As Rust raises it through pyo3."""


def load(faults: list[BaseException | None]) -> tuple[int, str]:
    def one(index: int) -> str:
        if (fault := faults[index]) is not None:
            raise fault
        return f"item {index}"

    return StandIns().load(0, len(faults), one, lambda index: f"name {index}")


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("name 0: odd"),
        OSError(5, "input/output error", "name 0"),
        MemoryError("much"),
        RecursionError("deep"),
        KeyError("key"),
        Panic("no chunk table"),
    ],
)
def test_any_fault_of_an_item_costs_a_warning(fault: BaseException) -> None:
    with pytest.warns(UserWarning, match=r"name 0.*; name 1 stands in for it"):
        assert load([fault, None]) == (1, "item 1")


def test_where_none_is_left_the_first_fault_is_told() -> None:
    first = RecursionError("deep")
    with pytest.raises(
        ValueError, match=r"none of the 2 shapes .* name 0: RecursionError: deep"
    ) as caught:
        load([first, MemoryError()])
    assert caught.value.__cause__ is first


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(1)])
def test_what_is_meant_to_end_the_run_ends_it(stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        load([stop, None])
