"""Attempts that need no worker: the ledger is told what one would have reported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import mlflow

from orchestrator.balancer.leases import Leases
from orchestrator.experiment import Experiments
from orchestrator.ledger import LeaseOf, Ledger
from orchestrator.records import Worker, WorkerState
from orchestrator.states import RunState


def logged(experiments: Experiments, sweep: str, network: Path) -> str:
    """A run of MLflow's with a network, logged as a worker does; gives its id."""
    client = mlflow.MlflowClient(tracking_uri=experiments.url)
    run_id = str(client.create_run(experiments.ensure_experiment(sweep)).info.run_id)
    client.log_artifact(run_id, str(network), "model")
    return run_id


def assign(ledger: Ledger, leases: Leases, run_id: str, token: str) -> None:
    """Let a worker of its own take a run."""
    worker = Worker(worker_id=token, sweep="s", device="cpu", lease_mib=1, state=WorkerState.STARTING, created_at=1.0)
    leases.grant(worker)
    leases.mark(token, WorkerState.IDLE)
    ledger.move(run_id, RunState.ASSIGNED, lease=LeaseOf(token, 1, 1), fields={"token": token, "worker": token})
    ledger.move(run_id, RunState.RUNNING, token=token)


def finish(ledger: Ledger, leases: Leases, run_id: str, mlflow_run_id: str, metrics: Mapping[str, float]) -> None:
    """Bring a queued run to its accepted result."""
    token = f"token-{run_id}"
    assign(ledger, leases, run_id, token)
    accepted = {"mlflow_run_id": mlflow_run_id, "accepted_token": token, "metrics": json.dumps(metrics)}
    ledger.move(run_id, RunState.FINISHED, token=token, fields=accepted)
