from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.balancer.observation import (
    Action,
    Assign,
    Device,
    Drain,
    DrainReason,
    Observation,
    PendingRun,
    Refuse,
    Start,
    SweepView,
    WorkerView,
)
from orchestrator.balancer.policy import decide, headroom_mib
from orchestrator.records import WorkerState

CPU = Device("cpu", total_mib=16_000, free_mib=14_000, slots=2, reserve_mib=1000)
IDLE = WorkerView("w1", "s", "cpu", 2048, 500, WorkerState.IDLE)
EMPTY = Observation(devices=(CPU,), workers=(), sweeps=(SweepView("s"),), pending=())


def pending(*footprints: int, sweep: str = "s") -> tuple[PendingRun, ...]:
    return tuple(PendingRun(f"{sweep}{index}", sweep, mib, index) for index, mib in enumerate(footprints))


def kinds(actions: tuple[Action, ...]) -> list[type[Action]]:
    return [type(action) for action in actions]


def test_nothing_to_do_needs_no_action() -> None:
    assert decide(EMPTY) == ()


def test_workers_are_started_until_the_slots_are_taken() -> None:
    actions = decide(replace(EMPTY, pending=pending(2000, 2000, 2000)))
    assert actions == (Start("s", "cpu", 2048), Start("s", "cpu", 2048))


def test_no_worker_is_started_beyond_the_headroom() -> None:
    assert kinds(decide(replace(EMPTY, pending=pending(9000, 9000)))) == [Start]


def test_an_idle_worker_is_given_the_next_run_before_another_is_started() -> None:
    actions = decide(replace(EMPTY, workers=(IDLE,), pending=pending(2000)))
    assert actions == (Assign("s0", "w1"),)


def test_a_worker_that_is_starting_counts_as_help_on_its_way() -> None:
    starting = replace(IDLE, state=WorkerState.STARTING)
    assert decide(replace(EMPTY, workers=(starting,), pending=pending(2000))) == ()


def test_a_run_never_goes_to_a_worker_whose_lease_is_too_small() -> None:
    one_slot = replace(CPU, slots=1)
    actions = decide(replace(EMPTY, devices=(one_slot,), workers=(IDLE,), pending=pending(3000)))
    assert actions == (Drain("w1", DrainReason.MAKE_ROOM),)


def test_a_new_worker_gets_a_lease_for_the_largest_pending_run_of_its_sweep() -> None:
    actions = decide(replace(EMPTY, devices=(replace(CPU, slots=1),), pending=pending(1000, 4000)))
    assert actions == (Start("s", "cpu", 4032),)


def test_the_first_run_starts_with_its_own_footprint_where_the_largest_does_not_fit() -> None:
    full = replace(CPU, free_mib=4000)
    assert decide(replace(EMPTY, devices=(full,), pending=pending(1000, 12_000))) == (Start("s", "cpu", 1024),)


def test_a_run_that_fits_no_device_is_refused_with_the_numbers() -> None:
    (refused,) = decide(replace(EMPTY, pending=pending(15_000)))
    assert refused == Refuse("s0", "needs 15000 MiB; the largest device can give 14744 MiB")


def test_a_run_that_fits_only_an_empty_device_waits_for_it() -> None:
    busy = replace(IDLE, state=WorkerState.BUSY)
    assert decide(replace(EMPTY, workers=(busy,), pending=pending(14_000))) == ()


def test_the_higher_priority_is_served_first_then_the_place_in_the_queue() -> None:
    sweeps = (SweepView("s"), SweepView("urgent", priority=90))
    one_slot = replace(CPU, slots=1)
    both = (*pending(1000), *pending(1000, sweep="urgent"))
    assert decide(replace(EMPTY, devices=(one_slot,), sweeps=sweeps, pending=both)) == (Start("urgent", "cpu", 1024),)


def test_a_paused_sweep_starts_nothing_and_its_running_worker_goes_on() -> None:
    busy = replace(IDLE, state=WorkerState.BUSY, run_id="x")
    sweeps = (SweepView("s", starts=False),)
    assert decide(replace(EMPTY, sweeps=sweeps, workers=(busy,), pending=pending(1000))) == ()


def test_every_worker_of_a_held_sweep_is_drained_and_no_other() -> None:
    busy = replace(IDLE, state=WorkerState.BUSY, run_id="x")
    other = replace(busy, worker_id="w2", sweep="t")
    sweeps = (SweepView("s", starts=False, held=True), SweepView("t"))
    assert decide(replace(EMPTY, sweeps=sweeps, workers=(busy, other))) == (Drain("w1", DrainReason.HELD),)


def test_a_worker_is_drained_once() -> None:
    draining = replace(IDLE, state=WorkerState.DRAINING)
    sweeps = (SweepView("s", starts=False, held=True),)
    assert decide(replace(EMPTY, sweeps=sweeps, workers=(draining,))) == ()
    assert decide(replace(EMPTY, workers=(draining,), shutting_down=True)) == ()


def test_an_idle_worker_is_kept_warm_for_a_while_and_then_leaves() -> None:
    assert decide(replace(EMPTY, workers=(replace(IDLE, idle_s=5),))) == ()
    assert decide(replace(EMPTY, workers=(replace(IDLE, idle_s=31),))) == (Drain("w1", DrainReason.IDLE),)


def test_an_idle_worker_leaves_at_once_where_another_sweep_waits_for_its_slot() -> None:
    sweeps = (SweepView("s"), SweepView("t"))
    observation = replace(EMPTY, devices=(replace(CPU, slots=1),), sweeps=sweeps, workers=(IDLE,))
    assert decide(replace(observation, pending=pending(100, sweep="t"))) == (Drain("w1", DrainReason.MAKE_ROOM),)


def test_an_exclusive_sweep_shares_its_device_with_nobody() -> None:
    alone = (SweepView("s", exclusive=True), SweepView("t"))
    busy = replace(IDLE, sweep="t", state=WorkerState.BUSY)
    assert decide(replace(EMPTY, sweeps=alone, workers=(busy,), pending=pending(1000))) == ()
    first = decide(replace(EMPTY, sweeps=alone, pending=pending(1000, 1000)))
    assert first == (Start("s", "cpu", 1024, exclusive=True),)
    beside = replace(IDLE, state=WorkerState.BUSY, exclusive=True)
    assert decide(replace(EMPTY, sweeps=alone, workers=(beside,), pending=pending(1000, sweep="t"))) == ()


def test_a_lease_covers_what_a_worker_holds_beside_its_run() -> None:
    heavy = replace(CPU, overhead_mib=500)
    observation = replace(EMPTY, devices=(heavy,), pending=pending(2000))
    assert decide(observation)[0] == Start("s", "cpu", 2560)
    assert kinds(decide(replace(observation, workers=(replace(IDLE, lease_mib=2499),)))) == [Start]
    assert kinds(decide(replace(observation, workers=(replace(IDLE, lease_mib=2500),)))) == [Assign]


def test_shutting_down_drains_everybody_and_starts_nothing() -> None:
    observation = replace(EMPTY, workers=(IDLE,), pending=pending(1000), shutting_down=True)
    assert decide(observation) == (Drain("w1", DrainReason.SHUTDOWN),)


@pytest.mark.parametrize(
    ("workers", "free_mib", "expected"),
    [
        ((), 14_000, 14_000 - 1000 - 1000 + 1000 - 256),
        ((replace(IDLE, lease_mib=4000, observed_mib=0),), 14_000, 14_000 - 4000 - 1000 - 256),
        ((replace(IDLE, lease_mib=4000, observed_mib=3000),), 11_000, 16_000 - 1000 - 2000 - 4000 - 256),
        ((replace(IDLE, lease_mib=4000, observed_mib=5000),), 9_000, 16_000 - 1000 - 2000 - 4000 - 256),
    ],
)
def test_headroom_counts_promises_and_foreign_memory(
    workers: tuple[WorkerView, ...], free_mib: int, expected: int
) -> None:
    assert headroom_mib(replace(CPU, free_mib=free_mib), workers) == expected
