from __future__ import annotations

import threading
import time

import pytest

from orchestrator.balancer.leases import Leases
from orchestrator.commands.steering import steer
from orchestrator.errors import FencedError, RefusedError, UnknownNameError
from orchestrator.ledger import UNSETTLED, LeaseOf, Ledger, alike_key
from orchestrator.records import Group, Worker, WorkerState
from orchestrator.redis_door import connect
from orchestrator.states import UNDER_WAY, RunState, sources
from tests.samples import run_spec, submit, sweep_fields


def idle_worker(leases: Leases, worker_id: str = "w1") -> None:
    worker = Worker(
        worker_id=worker_id, sweep="s", device="cpu", lease_mib=1000, state=WorkerState.STARTING, created_at=1.0
    )
    leases.grant(worker)
    leases.mark(worker_id, WorkerState.IDLE)


def assign(ledger: Ledger, run_id: str, token: str = "t1", worker: str = "w1") -> None:
    ledger.move(run_id, RunState.ASSIGNED, lease=LeaseOf(worker, 1000, 900), fields={"token": token, "worker": worker})


def test_submitting_the_same_runs_twice_queues_nothing_the_second_time(ledger: Ledger) -> None:
    runs = submit(ledger, "a", "b")
    again = ledger.submit("s", runs, sweep_fields())
    assert (again.runs, again.new, again.known) == (2, 0, {RunState.QUEUED: 2})
    assert ledger.counts("s")[RunState.QUEUED] == 2


def test_submissions_at_the_same_moment_queue_each_run_once(address: str, ledger: Ledger) -> None:
    runs = [run_spec(f"run{index:04d}", cell=index) for index in range(1200)]
    start, found = threading.Barrier(4), []

    def submit_all() -> None:
        own = Ledger(connect(address))
        start.wait()
        found.append(own.submit("s", runs, sweep_fields()))

    threads = [threading.Thread(target=submit_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.new for one in found) == 1200
    assert ledger.counts("s") == {state: 1200 if state is RunState.QUEUED else 0 for state in RunState}


def test_an_edited_search_space_adds_its_new_runs_and_keeps_the_dropped_ones(ledger: Ledger) -> None:
    submit(ledger, "a", "b")
    found = ledger.submit("s", [run_spec("b"), run_spec("c")], sweep_fields())
    assert (found.new, found.known, found.dropped) == (1, {RunState.QUEUED: 1}, 1)
    assert {run.run_id for run in ledger.runs("s")} == {"a", "b", "c"}


def test_a_sweep_that_goes_on_counts_its_failures_from_none(ledger: Ledger) -> None:
    submit(ledger, "a")
    leases = Leases(ledger.redis)
    assert [leases.stillborn("s"), leases.stillborn("s")] == [1, 2]
    ledger.redis.hincrby(alike_key("s"), "ValueError at fit:1", 1)
    steer(ledger, "resume", "s", [])
    assert not ledger.redis.exists(alike_key("s"))
    assert leases.stillborn("s") == 1


def test_a_preview_tells_what_a_submission_would_find_and_changes_nothing(ledger: Ledger) -> None:
    submit(ledger, "a")
    found = ledger.preview("s", [run_spec("a"), run_spec("b")])
    assert (found.runs, found.new, found.known, found.dropped) == (2, 1, {RunState.QUEUED: 1}, 0)
    assert sum(ledger.counts("s").values()) == 1


def test_resubmitting_keeps_a_pause_that_a_person_asked_for(ledger: Ledger) -> None:
    runs = submit(ledger, "a")
    ledger.mark_sweep("s", paused="by a person")
    ledger.submit("s", runs, sweep_fields())
    assert ledger.sweep("s").paused == "by a person"


@pytest.mark.parametrize("target", [RunState.RUNNING, RunState.FINISHED, RunState.FAILED, RunState.QUEUED])
def test_a_queued_run_cannot_skip_its_assignment(ledger: Ledger, target: RunState) -> None:
    submit(ledger, "a")
    with pytest.raises(RefusedError, match="queued"):
        ledger.move("a", target)
    assert ledger.run("a").state is RunState.QUEUED


def test_every_state_that_is_over_can_only_be_left_for_the_queue() -> None:
    left = {(state, target) for target in RunState for state in sources(target) if state not in UNDER_WAY}
    assert {target for _, target in left} == {RunState.QUEUED}
    assert RunState.FINISHED not in {state for state, _ in left}


def test_a_run_goes_through_its_life_and_the_sets_follow(ledger: Ledger, leases: Leases) -> None:
    submit(ledger, "a", "b")
    idle_worker(leases)
    assign(ledger, "a")
    ledger.move("a", RunState.RUNNING, token="t1", fields={"started_at": 5.0})
    ledger.move("a", RunState.FINISHED, token="t1", fields={"accepted_token": "t1", "metrics": '{"val_f1": 0.5}'})
    run = ledger.run("a")
    assert (run.state, run.metrics, run.token, run.worker) == (RunState.FINISHED, {"val_f1": 0.5}, "", "")
    counts = ledger.counts("s")
    assert (counts[RunState.FINISHED], counts[RunState.QUEUED], sum(counts.values())) == (1, 1, 2)
    assert ledger.redis.smembers(UNSETTLED) == {"a"}


def test_a_line_waits_since_its_first_run_came_or_since_one_was_served(ledger: Ledger, leases: Leases) -> None:
    before = time.time()
    submit(ledger, "a", "b")
    (line,) = ledger.queue("s", 2)
    assert before <= line.waits_since <= time.time()
    submit(ledger, "a", "b", "c")
    assert ledger.queue("s", 2)[0].waits_since == line.waits_since
    idle_worker(leases)
    assign(ledger, "a")
    served = ledger.queue("s", 2)[0].waits_since
    assert served > line.waits_since
    ledger.move("a", RunState.QUEUED, token="t1")
    assert ledger.queue("s", 2)[0].waits_since == served


def test_a_run_that_joins_another_line_begins_to_wait_there(ledger: Ledger, leases: Leases) -> None:
    (spec,) = submit(ledger, "a")
    apart = Group.of(spec, exclusive=False, shuns={"GPU-0"})
    ledger.add_group("s", apart)
    for attempt in ("t1", "t2"):
        idle_worker(leases)
        assign(ledger, "a", token=attempt)
        before = time.time()
        ledger.move("a", RunState.QUEUED, token=attempt, fields={"group": apart.name})
        (line,) = ledger.queue("s", 2)
        assert (line.group, line.waits_since > before) == (apart, True)


def test_a_run_whose_back_off_is_over_joins_a_line_that_waits_since_then(ledger: Ledger, leases: Leases) -> None:
    submit(ledger, "a")
    idle_worker(leases)
    assign(ledger, "a")
    until = time.time() + 0.05
    ledger.move("a", RunState.QUEUED, token="t1", fields={"not_before": until})
    assert ledger.queue("s", 2) == []
    time.sleep(0.06)
    (line,) = ledger.queue("s", 2)
    assert line.waits_since >= until


def test_a_stale_token_moves_nothing(ledger: Ledger, leases: Leases) -> None:
    submit(ledger, "a")
    idle_worker(leases)
    assign(ledger, "a", token="old")
    ledger.move("a", RunState.QUEUED, token="old")
    idle_worker(leases, "w2")
    assign(ledger, "a", token="new", worker="w2")
    with pytest.raises(FencedError):
        ledger.move("a", RunState.FINISHED, token="old")
    assert ledger.run("a").state is RunState.ASSIGNED


def test_a_finished_run_refuses_a_second_result_with_the_same_token(ledger: Ledger, leases: Leases) -> None:
    submit(ledger, "a")
    idle_worker(leases)
    assign(ledger, "a")
    ledger.move("a", RunState.FINISHED, token="t1", fields={"mlflow_run_id": "first"})
    with pytest.raises(FencedError):
        ledger.move("a", RunState.FINISHED, token="t1", fields={"mlflow_run_id": "second"})
    assert ledger.run("a").mlflow_run_id == "first"


def test_a_worker_gets_one_run_at_a_time_and_is_idle_again_after_it(ledger: Ledger, leases: Leases) -> None:
    submit(ledger, "a", "b")
    idle_worker(leases)
    assign(ledger, "a")
    with pytest.raises(RefusedError, match="busy"):
        assign(ledger, "b", token="t2")
    assert leases.workers()[0].run_id == "a"
    ledger.move("a", RunState.FINISHED, token="t1")
    worker = leases.workers()[0]
    assert (worker.state, worker.run_id) == (WorkerState.IDLE, "")
    assign(ledger, "b", token="t2")


def test_a_draining_worker_stays_draining_when_its_run_ends(ledger: Ledger, leases: Leases) -> None:
    submit(ledger, "a")
    idle_worker(leases)
    assign(ledger, "a")
    leases.mark("w1", WorkerState.DRAINING)
    ledger.move("a", RunState.QUEUED, token="t1")
    assert (leases.workers()[0].state, leases.workers()[0].run_id) == (WorkerState.DRAINING, "")


def test_an_unknown_sweep_is_named_together_with_the_known_ones(ledger: Ledger) -> None:
    submit(ledger, "a", sweep="wolf")
    with pytest.raises(UnknownNameError, match=r"no sweep is called 'wofl'; known: wolf"):
        ledger.sweep("wofl")


def test_a_run_is_found_by_its_slug_and_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    submit(ledger, "abc1", "abd2")
    assert ledger.find_run("slug-abd2").run_id == "abd2"
    assert ledger.find_run("abc").run_id == "abc1"
    with pytest.raises(UnknownNameError, match="2 runs begin with 'ab'"):
        ledger.find_run("ab")
