"""What a command works with: the settings, the embedded services, the ledger and the addresses."""

from __future__ import annotations

import time
from dataclasses import dataclass

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
        """Address of the MLflow server, for people."""
        return self.settings.mlflow_public_url or mlflow_url(self.settings)


def open_up() -> Session:
    """Start what does not run yet, and let workers start again after a `down`."""
    settings = from_environment()
    services = Services(settings)
    started = services.up()
    session = _session(settings, services, tuple(started))
    session.leases.shut_down(wanted=False)
    return session


def close_down(settings: Settings) -> list[str]:
    """Let every worker checkpoint and leave, then stop what runs embedded; gives the names of what was stopped.

    Raises:
        ServiceError: workers are still there after the grace; nothing was stopped.
    """
    services = Services(settings)
    if any(services.find(name) for name in (BALANCER, MLFLOW)):
        services.up()
    if settings.redis_url or services.find(REDIS):
        session = _session(settings, services)
        session.leases.shut_down(wanted=True)
        session.ledger.wake()
        _await_workers(session)
    return [name for name in (BALANCER, MLFLOW, REDIS) if services.stop(name)]


def _session(settings: Settings, services: Services, started: tuple[str, ...] = ()) -> Session:
    client = connect(redis_url(settings))
    return Session(settings, services, Ledger(client), Leases(client), started)


def _await_workers(session: Session) -> None:
    """Wait until no worker is left; where the balancer is gone, one is started to see them out."""
    deadline = time.monotonic() + session.settings.balancer.stop_grace_s + 10
    while session.leases.workers():
        if time.monotonic() > deadline:
            raise ServiceError("workers are still there (`balancer status` shows them); call `orchestrator down` again")
        if BALANCER in session.services.missing():
            session.services.up()
        time.sleep(0.1)
