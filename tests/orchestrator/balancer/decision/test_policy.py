"""Which runs a decision starts, where, and with which leases."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from orchestrator.balancer.answers.explanation import Reasons
from orchestrator.balancer.decision.memory import headroom_mib
from orchestrator.balancer.decision.observation import (
    Action,
    Assign,
    Device,
    Park,
    Refuse,
    Start,
    SweepView,
    WorkerView,
)
from orchestrator.balancer.decision.policy import decide
from orchestrator.records import WorkerState
from tests.orchestrator.balancer.decision.observed import BUSY, EMPTY, GPU, IDLE, TWO, busy, demand, kinds, seen


def test_nothing_to_do_needs_no_action() -> None:
    assert decide(EMPTY) == ()


def test_a_lease_is_the_cap_and_what_a_worker_holds_beside_it_in_steps() -> None:
    (start,) = decide(replace(EMPTY, demands=(demand(10_000),)))
    assert start == Start("s", "GPU-0", lease_mib=11_008, cap_mib=10_008, signature="10000")


def test_workers_are_started_until_the_slots_are_taken() -> None:
    two_slots = replace(GPU, slots=2)
    actions = decide(replace(EMPTY, devices=(two_slots,), demands=(demand(100, "a", "b", "c"),)))
    assert kinds(actions) == [Start, Start]


def test_no_worker_is_started_beyond_the_headroom() -> None:
    actions = decide(replace(EMPTY, demands=(demand(30_000, "a", "b", "c"),)))
    assert kinds(actions) == [Start, Start]


def test_memory_that_was_promised_and_not_yet_taken_is_not_free() -> None:
    promised = replace(BUSY, lease_mib=60_000, observed_mib=0)
    assert decide(seen(promised, demands=(demand(30_000),))) == ()


def test_memory_of_foreigners_is_left_to_them_even_while_they_do_not_use_it() -> None:
    shared = replace(GPU, foreign_mib=60_000)
    assert decide(replace(EMPTY, devices=(shared,), demands=(demand(30_000),))) == ()


@pytest.mark.parametrize("obstacle", [{"trouble": "Xid 79"}, {"blind": "its last reading is 9 s old"}])
def test_nothing_starts_on_a_device_that_is_unwell_or_was_not_read(obstacle: dict[str, str]) -> None:
    assert decide(replace(EMPTY, devices=(replace(GPU, **obstacle),), demands=(demand(100),))) == ()


@pytest.mark.parametrize("obstacle", [{"trouble": "Xid 79"}, {"blind": "old"}])
def test_a_warm_worker_gets_no_run_on_such_a_device_either(obstacle: dict[str, str]) -> None:
    actions = decide(seen(IDLE, devices=(replace(GPU, **obstacle),), demands=(demand(10_000, signature="ten"),)))
    assert Assign not in kinds(actions)


def test_no_worker_starts_beside_one_that_ramps_unless_the_driver_tells_them_apart() -> None:
    ramping = busy(20_000, ramping=True)
    blind = replace(GPU, attributed=False, free_mib=60_500)
    assert decide(seen(ramping, devices=(blind,), demands=(demand(10_000),))) == ()
    assert kinds(decide(seen(ramping, demands=(demand(10_000),)))) == [Start]


def test_on_a_device_that_does_not_tell_processes_apart_one_worker_starts_at_a_time() -> None:
    blind = replace(GPU, attributed=False)
    assert kinds(decide(replace(EMPTY, devices=(blind,), demands=(demand(1000, "a", "b"),)))) == [Start]


def test_an_idle_worker_is_given_the_next_run_with_a_lease_of_its_size() -> None:
    assert decide(seen(IDLE, demands=(demand(9_900),))) == (Assign("r9900", "w1", 10_944, 9_944),)
    assert decide(seen(IDLE, demands=(demand(30_000),))) == (Assign("r30000", "w1", 31_040, 30_040),)


def test_an_idle_worker_keeps_no_memory_that_it_does_not_need() -> None:
    assert decide(seen(IDLE)) == (Park("w1", 0),)
    assert decide(seen(replace(IDLE, lease_mib=0))) == ()
    machine = replace(GPU, device_id="cpu", overhead_mib=450)
    assert decide(seen(replace(IDLE, device_id="cpu"), devices=(machine,))) == (Park("w1", 450),)


def test_what_idle_workers_do_not_need_is_given_to_others_after_they_have_given_it_back() -> None:
    sweeps = (SweepView("s"), SweepView("t"))
    large = replace(IDLE, lease_mib=60_000)
    actions = decide(seen(large, sweeps=sweeps, demands=(demand(70_000, sweep="t"),)))
    assert kinds(actions) == [Park, Start]


def test_what_the_last_run_still_held_when_the_gpu_was_read_is_there_for_the_next_of_the_same_worker_only() -> None:
    ended = replace(IDLE, lease_mib=60_000, observed_mib=60_000)
    assert kinds(decide(seen(ended, demands=(demand(70_000),)))) == [Assign]
    sweeps = (SweepView("s"), SweepView("t"))
    assert kinds(decide(seen(ended, sweeps=sweeps, demands=(demand(70_000, sweep="t"),)))) == [Park]


def test_a_worker_that_is_starting_counts_as_help_on_its_way() -> None:
    starting = replace(IDLE, state=WorkerState.STARTING, signature="9000")
    assert decide(seen(starting, demands=(demand(9000),))) == ()
    assert kinds(decide(seen(starting, demands=(demand(8000),)))) == [Start]


def test_the_higher_priority_is_served_first() -> None:
    sweeps = (SweepView("s"), SweepView("urgent", priority=90))
    queue = (demand(10_000, "mine"), demand(1000, "theirs", sweep="urgent"))
    (start,) = decide(replace(EMPTY, devices=(replace(GPU, slots=1),), sweeps=sweeps, demands=queue))
    assert isinstance(start, Start)
    assert start.sweep == "urgent"


def test_size_orders_the_queue_and_neglect_raises_a_run_in_it() -> None:
    one = replace(EMPTY, devices=(replace(GPU, slots=1),))
    large, small = demand(20_000, expected_s=1000), demand(1000, expected_s=1000)
    assert decide(replace(one, demands=(small, large)))[0].signature == "20000"  # type: ignore[union-attr]
    neglected = replace(small, waited_s=24 * 3600)
    assert decide(replace(one, demands=(neglected, large)))[0].signature == "1000"  # type: ignore[union-attr]


def test_the_order_that_a_sweep_asks_for_comes_before_size() -> None:
    one = replace(EMPTY, devices=(replace(GPU, slots=1),))
    second = demand(10_000, rank=1)
    assert decide(replace(one, demands=(second, demand(1000))))[0].signature == "1000"  # type: ignore[union-attr]


def test_the_tightest_device_is_chosen() -> None:
    half = replace(GPU, device_id="GPU-1", foreign_mib=40_000)
    (start,) = decide(replace(EMPTY, devices=(GPU, half), demands=(demand(20_000),)))
    assert isinstance(start, Start)
    assert start.device_id == "GPU-1"


def test_runs_are_spread_over_empty_devices_before_they_share_one() -> None:
    starts = decide(replace(EMPTY, devices=TWO, demands=(demand(10_000, "a", "b"),)))
    assert {start.device_id for start in starts if isinstance(start, Start)} == {"GPU-0", "GPU-1"}


def test_a_device_with_foreigners_is_the_last_choice_where_the_settings_say_so() -> None:
    avoided = replace(GPU, avoided=True, free_mib=70_000)
    (start,) = decide(replace(EMPTY, devices=(avoided, TWO[1]), demands=(demand(60_000),)))
    assert isinstance(start, Start)
    assert start.device_id == "GPU-1"


def devices_of(actions: tuple[Action, ...]) -> list[str]:
    return [action.device_id for action in actions if isinstance(action, Start)]


def test_a_run_that_failed_on_a_device_is_tried_on_another_one_however_empty_the_first_is() -> None:
    again = demand(10_000, shuns=frozenset({"GPU-0"}))
    beside = busy(40_000, device_id="GPU-1")
    devices = (GPU, replace(TWO[1], free_mib=40_000))
    assert devices_of(decide(replace(EMPTY, devices=devices, workers=(beside,), demands=(again,)))) == ["GPU-1"]


def test_it_waits_for_a_device_that_is_full_and_what_is_kept_for_it_is_there() -> None:
    again, other = demand(10_000, "again", shuns=frozenset({"GPU-0"})), demand(8_000, "other")
    full = busy(79_000, device_id="GPU-1", ends_in_s=100.0)
    given = replace(EMPTY, devices=(GPU, replace(TWO[1], free_mib=500)), workers=(full,), demands=(again, other))
    assert devices_of(decide(given)) == ["GPU-0"]
    reasons = Reasons(given)
    assert reasons.in_the_way(reasons.board.places["GPU-0"], again) == "it failed there, and another GPU is tried first"
    assert reasons.reservation is not None
    assert (reasons.reservation.device_id, reasons.reservation.in_s) == ("GPU-1", 100.0)
    assert "on GPU-1; will fit there, after run x in 2 min" in reasons.why(again)


def test_it_waits_for_another_device_for_an_hour_at_most() -> None:
    again = demand(10_000, shuns=frozenset({"GPU-0"}))
    full = busy(79_000, device_id="GPU-1")
    given = replace(EMPTY, devices=(GPU, replace(TWO[1], free_mib=500)), workers=(full,))
    assert devices_of(decide(replace(given, demands=(replace(again, waited_s=3500),)))) == []
    assert devices_of(decide(replace(given, demands=(replace(again, waited_s=3700),)))) == ["GPU-0"]


def test_no_instance_of_the_gpu_that_it_failed_on_is_another_one() -> None:
    first, second = replace(GPU, gpu="GPU-a"), replace(TWO[1], gpu="GPU-a")
    other = replace(GPU, device_id="GPU-2", free_mib=20_000, gpu="GPU-b")
    again = demand(10_000, shuns=frozenset({"GPU-0"}))
    assert devices_of(decide(replace(EMPTY, devices=(first, second, other), demands=(again,)))) == ["GPU-2"]


@pytest.mark.parametrize("need", range(65_150, 65_260, 10))
def test_what_another_device_can_take_is_what_it_is_given(need: int) -> None:
    """Whichever way the lease is rounded, it starts somewhere."""
    shared = replace(TWO[1], foreign_mib=12_000, free_mib=TWO[1].free_mib - 12_000)
    again = demand(need, shuns=frozenset({"GPU-0"}))
    assert len(devices_of(decide(replace(EMPTY, devices=(GPU, shared), demands=(again,))))) == 1


@pytest.mark.parametrize(
    "others",
    [
        (),
        (replace(TWO[1], total_mib=9_000, free_mib=9_000),),
        (replace(TWO[1], trouble="Xid 79"),),
        (replace(TWO[1], blind="a foreign process is on it, and the settings say never"),),
        (replace(TWO[1], foreign_mib=70_000, free_mib=10_000),),
    ],
    ids=["none is there", "the other is too small", "is unwell", "is closed", "is somebody else's"],
)
def test_it_goes_back_where_no_other_device_could_take_it(others: tuple[Device, ...]) -> None:
    again = demand(10_000, shuns=frozenset({"GPU-0"}))
    assert devices_of(decide(replace(EMPTY, devices=(GPU, *others), demands=(again,)))) == ["GPU-0"]


def test_a_worker_that_is_starting_on_a_device_that_is_shunned_is_not_waited_for() -> None:
    again = demand(10_000, shuns=frozenset({"GPU-0"}))
    coming = replace(IDLE, state=WorkerState.STARTING, signature="10000")
    assert devices_of(decide(replace(EMPTY, devices=TWO, workers=(coming,), demands=(again,)))) == ["GPU-1"]


def test_small_runs_pass_a_large_one_only_where_they_are_over_before_its_turn() -> None:
    others = (busy(50_000, ends_in_s=1000.0),)
    large = demand(69_000, expected_s=5000)
    short, long = demand(9_000, "short", expected_s=900), demand(10_000, "long", expected_s=1100)
    actions = decide(seen(*others, demands=(large, short, long)))
    assert [action.signature for action in actions if isinstance(action, Start)] == ["9000"]


def test_small_runs_that_leave_room_for_the_large_one_pass_it_however_long_they_are() -> None:
    others = (busy(50_000, ends_in_s=1000.0),)
    actions = decide(seen(*others, demands=(demand(60_000, expected_s=5000), demand(9_000, expected_s=math.inf))))
    assert [action.signature for action in actions if isinstance(action, Start)] == ["9000"]


def test_a_run_that_fits_no_device_is_refused_with_the_numbers() -> None:
    (refusal,) = decide(replace(EMPTY, demands=(demand(78_201),)))
    assert refusal == Refuse("r78201", "needs 78201 MiB; the largest device, GPU-0, can give 78200 MiB")


def test_nothing_is_refused_while_no_device_is_known() -> None:
    assert decide(replace(EMPTY, devices=(), demands=(demand(10**9),))) == ()


def test_a_run_that_needs_all_of_a_device_still_gets_it() -> None:
    (start,) = decide(replace(EMPTY, demands=(demand(78_200),)))
    assert isinstance(start, Start)
    assert start.cap_mib == 78_200


def test_further_runs_of_an_untried_signature_are_given_more_while_the_first_is_under_way() -> None:
    untried = demand(10_000, "a", "b", unproven=frozenset({"H"}))
    first, second = decide(replace(EMPTY, devices=TWO, demands=(untried,)))
    assert isinstance(first, Start)
    assert isinstance(second, Start)
    assert (first.cap_mib, second.cap_mib) == (10_008, 12_056)


def test_a_run_that_wants_its_device_to_itself_gets_it_and_all_of_its_memory() -> None:
    alone = demand(1000, exclusive=True)
    assert decide(seen(busy(2000), demands=(alone,))) == ()
    (start,) = decide(replace(EMPTY, demands=(alone,)))
    assert start == Start("s", "GPU-0", 79_200, 78_200, "1000", exclusive=True)
    beside = replace(BUSY, exclusive=True)
    assert decide(seen(beside, demands=(demand(100),))) == ()


def test_one_run_more_is_not_added_where_it_would_bring_less_than_it_costs() -> None:
    heavy = {("H", "heavy"): 0.7}
    others = (busy(5000, signature="heavy", worker_id="w2"), busy(5000, signature="heavy", worker_id="w3"))
    queue = (demand(4000, signature="heavy"),)
    assert decide(seen(*others, demands=queue, loads=heavy)) == ()
    assert kinds(decide(seen(*others, demands=queue, loads={("H", "heavy"): 0.3}))) == [Start]
    assert kinds(decide(seen(*others, demands=queue))) == [Start]


def test_a_warm_worker_too_many_gets_nothing() -> None:
    heavy = {("H", "ten"): 0.7}
    workers = (replace(IDLE, lease_mib=0), replace(BUSY, worker_id="w2"), replace(BUSY, worker_id="w3"))
    assert decide(seen(*workers, demands=(demand(10_000, signature="ten"),), loads=heavy)) == ()


def test_what_is_not_known_of_a_run_is_tried_one_run_at_a_time() -> None:
    two = (busy(5000, worker_id="w2"), busy(5000, worker_id="w3"))
    ramping = (two[0], replace(two[1], ramping=True))
    assert decide(seen(*ramping, demands=(demand(4000),))) == ()
    assert kinds(decide(seen(*two, demands=(demand(4000, "a", "b"),)))) == [Start]


def test_a_run_that_would_outlast_all_the_others_starts_before_its_rank() -> None:
    one = replace(GPU, slots=2)
    others = busy(2000, ends_in_s=1000.0)
    ordinary, long = demand(1000, "ordinary", expected_s=100), demand(1000, "long", rank=5, expected_s=9000)
    (start,) = decide(seen(others, devices=(one,), demands=(ordinary, replace(long, signature="long"))))
    assert start.signature == "long"  # type: ignore[union-attr]


def test_a_lease_counts_until_its_memory_is_back_though_its_worker_is_gone() -> None:
    releasing = replace(BUSY, state=WorkerState.RELEASING, lease_mib=60_000, observed_mib=0)
    assert decide(seen(releasing, demands=(demand(30_000),))) == ()


@pytest.mark.parametrize(
    ("workers", "free_mib", "expected"),
    [
        ((), 70_000, 80_000 - 2000 - 10_000 - 800),
        ((replace(IDLE, lease_mib=4000, observed_mib=0),), 70_000, 80_000 - 2000 - 10_000 - 4000 - 800),
        ((replace(IDLE, lease_mib=4000, observed_mib=3000),), 67_000, 80_000 - 2000 - 10_000 - 4000 - 800),
        ((replace(IDLE, lease_mib=4000, observed_mib=5000),), 50_000, 50_000 - 1000 - 800),
    ],
)
def test_headroom_is_the_lesser_of_what_is_free_and_what_is_not_promised(
    workers: tuple[WorkerView, ...], free_mib: int, expected: int
) -> None:
    device = replace(GPU, free_mib=free_mib, foreign_mib=10_000, reserve_mib=2000, growth_mib=1000)
    assert headroom_mib(device, workers) == min(expected, free_mib)
