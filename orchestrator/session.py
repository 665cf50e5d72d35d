"""What a command works with: the settings, the embedded services, the ledger and the addresses."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator.addresses import mlflow_url, redis_url
from orchestrator.balancer.leases import Leases
from orchestrator.errors import ServiceError
from orchestrator.ledger import Ledger
from orchestrator.redis_door import connect
from orchestrator.services import BALANCER, MLFLOW, REDIS, Services
from orchestrator.settings import Settings, from_environment


@dataclass(frozen=True)
class Session:
    """An open ledger and the services around it."""

    settings: Settings
    services: Services
    ledger: Ledger
    leases: Leases
    started: tuple[str, ...] = ()
    """Services that this command has started."""

    @property
    def mlflow(self) -> str:
        """Address of the MLflow server."""
        return mlflow_url(self.settings)

    def log_of(self, run_id: str) -> Path:
        """Folder of what a run's attempts print."""
        return self.settings.home / "logs" / "runs" / run_id


def open_up() -> Session:
    """Start what does not run yet, and let workers start again after a `down`."""
    settings = from_environment()
    services = Services(settings)
    started = services.up()
    session = _session(settings, services, tuple(started))
    session.leases.shut_down(wanted=False)
    return session


def open_existing() -> Session:
    """Use what runs.

    Raises:
        ServiceError: nothing does.
    """
    settings = from_environment()
    return _session(settings, Services(settings))


def close_down(session: Session, grace_s: float) -> list[str]:
    """Let every worker checkpoint and leave, then stop what runs embedded; gives the names of what was stopped."""
    if session.services.find(BALANCER):
        session.leases.shut_down(wanted=True)
        session.ledger.wake()
        _await_workers(session, grace_s)
    return [name for name in (BALANCER, MLFLOW, REDIS) if session.services.stop(name)]


def _session(settings: Settings, services: Services, started: tuple[str, ...] = ()) -> Session:
    client = connect(redis_url(settings))
    return Session(settings, services, Ledger(client), Leases(client), started)


def _await_workers(session: Session, grace_s: float) -> None:
    deadline = time.monotonic() + grace_s + 5
    while session.leases.workers() and time.monotonic() < deadline and session.services.find(BALANCER):
        time.sleep(0.1)
    if session.leases.workers():
        raise ServiceError(
            "workers are still there; `balancer status` shows them, and `orchestrator down` may be called again"
        )
