"""WarmupCosineStepLR at its corners, and resumed."""

from __future__ import annotations

import math

import keras
import pytest

from model.config import OptimizerConfig, ScheduleConfig
from model.schedules import WarmupCosineStepLR, warmup_cosine_step

SCHEDULE = WarmupCosineStepLR(
    base=0.1,
    total_steps=100,
    warmup_steps=10,
    hold_steps=20,
    start_factor=0.2,
    final_factor=0.5,
    gamma=0.1,
    step_size=8,
)


def rate(step: int, schedule: WarmupCosineStepLR = SCHEDULE) -> float:
    return float(schedule(step))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.02),
        (5, 0.02 + 0.08 * 5 / 10),
        (10, 0.1),
        (45, 0.075),
        (79, 0.05 + 0.05 * (1 + math.cos(math.pi * 69 / 70)) / 2),
        (80, 0.05),
        (87, 0.05),
        (88, 0.005),
        (96, 0.0005),
        (99, 0.0005),
    ],
)
def test_each_part_follows_its_formula(step: int, expected: float) -> None:
    assert rate(step) == pytest.approx(expected, rel=1e-5)


def test_the_rate_rises_to_the_base_and_never_rises_again() -> None:
    rates = [rate(step) for step in range(100)]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert max(rates) == pytest.approx(0.1)


def test_without_gamma_the_last_part_holds_the_rate() -> None:
    schedule = warmup_cosine_step(OptimizerConfig(learning_rate=1e-3), ScheduleConfig(), 200)
    assert {rate(step, schedule) for step in range(190, 200)} == {rate(199, schedule)}
    assert rate(199, schedule) == pytest.approx(1e-5)


def test_the_parts_may_fill_all_steps_and_leave_no_cosine() -> None:
    config = ScheduleConfig(warmup=0.5, hold=0.5, start_factor=0.5)
    schedule = warmup_cosine_step(OptimizerConfig(learning_rate=1.0), config, 3)
    assert [rate(step, schedule) for step in range(3)] == pytest.approx([0.5, 0.75, 0.01])


def test_a_single_step_is_enough() -> None:
    assert math.isfinite(rate(0, warmup_cosine_step(OptimizerConfig(), ScheduleConfig(), 1)))


def test_parts_longer_than_the_whole_are_refused() -> None:
    with pytest.raises(ValueError, match=r"warm-up \(60 steps\) and last part \(50\) exceed all 100 steps"):
        WarmupCosineStepLR(base=1.0, total_steps=100, warmup_steps=60, hold_steps=50)


def test_no_steps_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, found 0"):
        warmup_cosine_step(OptimizerConfig(), ScheduleConfig(), 0)


def test_it_comes_back_from_its_config() -> None:
    stored = keras.optimizers.schedules.serialize(SCHEDULE)
    again = keras.optimizers.schedules.deserialize(stored)
    assert [rate(step, again) for step in (0, 7, 50, 95)] == [rate(step) for step in (0, 7, 50, 95)]


def test_an_optimiser_goes_on_where_it_was_stored() -> None:
    optimizer = keras.optimizers.SGD(SCHEDULE)
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    for _ in range(12):
        optimizer.apply([[1.0]])
    stored = optimizer.iterations.numpy()
    resumed = keras.optimizers.SGD(SCHEDULE)
    resumed.build([weight])
    resumed.iterations.assign(stored)
    assert float(resumed.learning_rate) == float(optimizer.learning_rate) == rate(12)
