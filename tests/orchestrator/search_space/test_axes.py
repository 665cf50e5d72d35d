from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.search_space.axes import Axis, Linspace, Logspace


def points(**axis: Any) -> tuple[Any, ...]:
    return Axis.model_validate(axis).points()


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ({"values": [3, 4]}, (3, 4)),
        ({"values": [None, 5]}, (None, 5)),
        ({"value": None}, (None,)),
        ({"linspace": {"start": 0.5, "stop": 0.8, "num": 4}}, (0.5, 0.6, 0.7, 0.8)),
        ({"linspace": {"start": 0.1, "stop": 0.7, "num": 7}}, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        ({"linspace": {"start": 16, "stop": 64, "num": 4}}, (16, 32, 48, 64)),
        ({"linspace": {"start": 64, "stop": 16, "num": 2}}, (64, 16)),
        ({"logspace": {"start": 1e-4, "stop": 1e-2, "num": 3}}, (1e-4, 1e-3, 1e-2)),
        ({"logspace": {"start": 1, "stop": 1000, "num": 4}}, (1, 10, 100, 1000)),
        ({"logspace": {"start": 1e-3, "stop": 1e-2, "num": 3}}, (1e-3, 0.00316227766017, 1e-2)),
    ],
)
def test_an_axis_has_the_values_that_one_would_write(axis: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert points(**axis) == expected


def test_whole_numbers_stay_whole_only_between_whole_numbers() -> None:
    assert [type(value) for value in points(linspace={"start": 3, "stop": 4, "num": 3})] == [int, float, int]
    assert [type(value) for value in points(linspace={"start": 3.0, "stop": 5, "num": 3})] == [float] * 3
    assert [type(value) for value in points(logspace={"start": 2, "stop": 8, "num": 3})] == [int] * 3


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 50))
def test_generated_values_begin_at_start_end_at_stop_and_have_twelve_digits(a: float, b: float, num: int) -> None:
    for generator in (Linspace(start=a, stop=b, num=num), Logspace(start=a, stop=b, num=num)):
        made = [float(point) for point in generator.points() if isinstance(point, int | float)]
        assert len(made) == num
        assert (made[0], made[-1]) == (pytest.approx(a, rel=1e-11), pytest.approx(b, rel=1e-11))
        assert all(float(f"{point:.12g}") == point for point in made)
        assert sorted(made, reverse=a > b) == made


@pytest.mark.parametrize(
    "axis",
    [
        {},
        {"when": {"optimizer.name": "sgd"}},
        {"values": [1], "value": 1},
        {"linspace": None},
        {"values": [1, 1.0]},
        {"values": [[1, 2]]},
        {"values": [float("nan")]},
        {"linspace": {"start": 1, "stop": 1, "num": 3}},
        {"linspace": {"start": 0, "stop": 1, "num": 1}},
        {"logspace": {"start": 0, "stop": 1, "num": 3}},
        {"logspace": {"start": True, "stop": 2, "num": 3}},
        {"values": list(range(1001))},
        {"values": [1], "when": {}},
    ],
)
def test_an_axis_without_one_distinct_source_of_values_is_refused(axis: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Axis.model_validate(axis)
