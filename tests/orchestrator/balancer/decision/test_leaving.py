"""Which workers a decision lets go, and which it lets do nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.balancer.decision.observation import Assign, Drain, DrainReason, Park, Reap, SweepView
from orchestrator.balancer.decision.policy import decide
from orchestrator.records import WorkerState
from tests.orchestrator.balancer.decision.observed import BUSY, GPU, IDLE, demand, kinds, seen


def test_a_worker_whose_last_run_may_have_left_memory_behind_gets_none_and_is_kept() -> None:
    settling = replace(IDLE, settling=True)
    assert decide(seen(settling, devices=(replace(GPU, slots=1),), demands=(demand(9000),))) == ()


def test_where_nobody_tells_when_that_memory_is_back_the_worker_leaves() -> None:
    settling = replace(IDLE, settling=True)
    blind = replace(GPU, attributed=False)
    assert decide(seen(settling, devices=(blind,))) == (Drain("w1", DrainReason.LEFTOVER),)


def test_a_worker_that_holds_more_than_its_lease_is_put_away_before_it_harms_a_neighbour() -> None:
    over = replace(BUSY, observed_mib=11_500)
    assert kinds(decide(seen(over))) == [Reap]
    assert decide(seen(replace(BUSY, observed_mib=11_300))) == ()
    assert decide(seen(replace(over, measured=False))) == (), "the memory may be of its last run"


def test_a_paused_sweep_starts_nothing_and_its_running_worker_goes_on() -> None:
    sweeps = (SweepView("s", starts=False),)
    assert decide(seen(BUSY, sweeps=sweeps, demands=(demand(1000),))) == ()


def test_every_worker_of_a_held_sweep_is_drained_and_no_other() -> None:
    sweeps = (SweepView("s", starts=False, held=True), SweepView("t"))
    other = replace(BUSY, worker_id="w3", sweep="t")
    assert decide(seen(BUSY, other, sweeps=sweeps)) == (Drain("w2", DrainReason.HELD),)


@pytest.mark.parametrize("release", [True, False])
def test_workers_leave_a_drained_device_and_none_starts_there(release: bool) -> None:
    draining = {"GPU-0": release}
    actions = decide(seen(BUSY, draining=draining, demands=(demand(1000),)))
    assert actions == (Drain("w2", DrainReason.DEVICE, release=release),)


def test_a_worker_is_drained_once() -> None:
    draining = replace(BUSY, state=WorkerState.DRAINING)
    sweeps = (SweepView("s", starts=False, held=True),)
    assert decide(seen(draining, sweeps=sweeps)) == ()
    assert decide(seen(draining, shutting_down=True)) == ()


def test_an_idle_worker_is_kept_warm_for_a_while_and_then_leaves() -> None:
    assert decide(seen(replace(IDLE, lease_mib=0, idle_s=5))) == ()
    assert decide(seen(replace(IDLE, lease_mib=0, idle_s=31))) == (Drain("w1", DrainReason.IDLE),)


def test_a_worker_that_has_had_its_share_of_runs_makes_way_for_a_fresh_one() -> None:
    spent = replace(IDLE, spent=True)
    assert decide(seen(spent, demands=(demand(10_000),)))[0] == Drain("w1", DrainReason.SPENT)
    assert kinds(decide(seen(replace(spent, spent=False), demands=(demand(10_000),)))) == [Assign]


def test_an_idle_worker_leaves_at_once_where_another_sweep_waits_for_its_slot() -> None:
    sweeps = (SweepView("s"), SweepView("t"))
    actions = decide(seen(IDLE, devices=(replace(GPU, slots=1),), sweeps=sweeps, demands=(demand(100, sweep="t"),)))
    assert actions == (Park("w1", 0), Drain("w1", DrainReason.MAKE_ROOM))


def test_shutting_down_drains_everybody_and_starts_nothing() -> None:
    assert decide(seen(IDLE, demands=(demand(1000),), shutting_down=True)) == (Drain("w1", DrainReason.SHUTDOWN),)
