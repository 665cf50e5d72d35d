"""The ledger and a real MLflow server are brought in line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.balancer.leases import Leases
from orchestrator.balancer.settlement import Settlement
from orchestrator.errors import ServiceError
from orchestrator.experiment import Experiments, MlflowStatus
from orchestrator.ledger import UNSETTLED, Ledger
from orchestrator.states import RunState
from tests.orchestrator.attempts import assign
from tests.samples import submit
from worker.spec import TAG_ACCEPTED, TAG_RUN_ID, TAG_TOKEN

Begin = Callable[[str, str], str]


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> str:
    """A sweep of its own for each test: the server is shared."""
    return f"sweep-{abs(hash(request.node.nodeid))}"


@pytest.fixture
def settlement(ledger: Ledger, experiments: Experiments, tmp_path: Path) -> Settlement:
    return Settlement(ledger, experiments, tmp_path)


@pytest.fixture
def begin(ledger: Ledger, experiments: Experiments, sweep: str) -> Begin:
    """Makes an attempt's MLflow run, as a worker does."""

    def create(run_id: str, token: str) -> str:
        tags = [{"key": TAG_RUN_ID, "value": run_id}, {"key": TAG_TOKEN, "value": token}]
        body = {"experiment_id": ledger.sweep(sweep).experiment_id, "tags": tags, "start_time": 1}
        return str(experiments._call("POST", "runs/create", body)["run"]["info"]["run_id"])

    return create


def shown(experiments: Experiments, mlflow_run_id: str) -> tuple[str, str, bool]:
    run: dict[str, Any] = experiments._call("GET", "runs/get", {"run_id": mlflow_run_id})["run"]
    accepted = any(tag["key"] == TAG_ACCEPTED for tag in run["data"].get("tags", []))
    return run["info"]["status"], run["info"]["lifecycle_stage"], accepted


def test_a_sweep_gets_one_experiment_and_one_parent_however_often_it_is_settled(
    ledger: Ledger, settlement: Settlement, experiments: Experiments, sweep: str
) -> None:
    submit(ledger, "a", sweep=sweep)
    settlement.settle()
    first = ledger.sweep(sweep)
    ledger.mark_sweep(sweep, experiment_id="", parent_run_id="")
    settlement.settle()
    assert ledger.sweep(sweep).parent_run_id == first.parent_run_id != ""
    assert ledger.sweep(sweep).experiment_id == first.experiment_id


def test_the_accepted_attempt_stays_and_every_other_one_is_killed_and_hidden(
    ledger: Ledger, leases: Leases, settlement: Settlement, experiments: Experiments, sweep: str, begin: Begin
) -> None:
    submit(ledger, "a", sweep=sweep)
    settlement.settle()
    lost, good = begin("a", "t1"), begin("a", "t2")
    experiments.close(good, MlflowStatus.FINISHED)
    assign(ledger, leases, "a", "t2")
    ledger.move("a", RunState.FINISHED, token="t2", fields={"mlflow_run_id": good, "accepted_token": "t2"})
    settlement.settle()
    assert shown(experiments, good) == ("FINISHED", "active", True)
    assert shown(experiments, lost) == ("KILLED", "deleted", False)
    assert ledger.redis.scard(UNSETTLED) == 0
    parent = ledger.sweep(sweep).parent_run_id
    assert shown(experiments, parent)[0] == "FINISHED"


def test_the_attempt_that_runs_now_is_left_alone(
    ledger: Ledger, leases: Leases, settlement: Settlement, experiments: Experiments, sweep: str, begin: Begin
) -> None:
    submit(ledger, "a", sweep=sweep)
    settlement.settle()
    assign(ledger, leases, "a", "t1")
    lost = begin("a", "t1")
    ledger.move("a", RunState.QUEUED, token="t1")
    assign(ledger, leases, "a", "t2")
    running = begin("a", "t2")
    settlement.settle()
    assert shown(experiments, lost) == ("KILLED", "deleted", False)
    assert shown(experiments, running) == ("RUNNING", "active", False)


def test_the_last_attempt_of_a_failed_run_stays_to_be_looked_at(
    ledger: Ledger, leases: Leases, settlement: Settlement, experiments: Experiments, sweep: str, begin: Begin
) -> None:
    submit(ledger, "a", sweep=sweep)
    settlement.settle()
    assign(ledger, leases, "a", "t1")
    failed = begin("a", "t1")
    experiments.close(failed, MlflowStatus.FAILED)
    ledger.move("a", RunState.FAILED, token="t1")
    settlement.settle()
    assert shown(experiments, failed) == ("FAILED", "active", False)


def test_what_a_server_that_is_away_was_not_told_is_told_later(
    ledger: Ledger, leases: Leases, settlement: Settlement, experiments: Experiments, sweep: str, begin: Begin
) -> None:
    submit(ledger, "a", sweep=sweep)
    settlement.settle()
    assign(ledger, leases, "a", "t1")
    lost = begin("a", "t1")
    ledger.move("a", RunState.QUEUED, token="t1")
    with pytest.raises(ServiceError, match="does not answer"):
        Settlement(ledger, Experiments("http://127.0.0.1:1"), Path()).settle()
    assert ledger.redis.smembers(UNSETTLED) == {"a"}
    settlement.settle()
    assert shown(experiments, lost)[0] == "KILLED"
