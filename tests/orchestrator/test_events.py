from __future__ import annotations

from orchestrator.balancer.leases import Leases
from orchestrator.events import OUTCOMES, events_after, latest
from orchestrator.ledger import LeaseOf, Ledger
from orchestrator.records import Worker, WorkerState
from orchestrator.states import RunState
from tests.samples import submit


def told(ledger: Ledger) -> list[dict[str, str]]:
    return [dict(event.fields) for event in events_after(ledger.redis, "0-0")]


def test_a_submission_is_told_once_and_not_again_where_it_brings_nothing_new(ledger: Ledger) -> None:
    for _ in range(2):
        submit(ledger, "a", "b")
    assert told(ledger) == [{"kind": "sweep", "sweep": "s", "new": "2"}]


def test_every_move_is_told_in_order_and_refused_ones_are_not(ledger: Ledger, leases: Leases) -> None:
    submit(ledger, "a")
    leases.grant(Worker(worker_id="w", sweep="s", device="cpu", lease_mib=1, state=WorkerState.IDLE, created_at=1.0))
    ledger.move("a", RunState.ASSIGNED, lease=LeaseOf("w", 1, 1), fields={"token": "t", "worker": "w"})
    ledger.move("a", RunState.RUNNING, token="t")
    ledger.move("a", RunState.FINISHED, token="t")
    moves = [(event["from"], event["state"], event["worker"]) for event in told(ledger)[1:]]
    assert moves == [("queued", "assigned", "w"), ("assigned", "running", "w"), ("running", "finished", "")]


def test_only_attempts_have_outcomes(ledger: Ledger, leases: Leases) -> None:
    submit(ledger, "a", "b")
    leases.grant(Worker(worker_id="w", sweep="s", device="cpu", lease_mib=1, state=WorkerState.IDLE, created_at=1.0))
    ledger.move("b", RunState.CANCELLED)
    ledger.move("a", RunState.ASSIGNED, lease=LeaseOf("w", 1, 1), fields={"token": "t"})
    ledger.move("a", RunState.QUEUED, token="t")
    assert ledger.redis.hgetall(OUTCOMES) == {"queued": "1"}


def test_what_holds_a_sweep_is_told_and_what_only_mlflow_needs_is_not(ledger: Ledger) -> None:
    submit(ledger, "a")
    before = latest(ledger.redis)
    ledger.mark_sweep("s", experiment_id="7")
    ledger.mark_sweep("s", paused="by a person")
    (event,) = events_after(ledger.redis, before)
    assert event.fields == {"kind": "sweep", "sweep": "s", "paused": "by a person"}
