"""A launcher under test, and what its workers need and leave: ghosts, told by Redis what to do."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator.balancer.launchers.port import Launcher
from orchestrator.records import Worker, WorkerState
from orchestrator.redis_door import Redis
from orchestrator.transport import Transport
from tests.chaos.plans import Plan, plan_key
from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually
from worker.spec import report_stream

PEAK_MIB = 4000


class NewLauncher(Protocol):
    """Makes a launcher as each new balancer of an installation would."""

    def __call__(self, home: Path, *, broken: bool = False) -> Launcher:
        """`broken`: no worker can be launched with it."""


@dataclass
class House:
    """A launcher, and what its workers need and leave."""

    new: NewLauncher
    home: Path
    fleet: Fleet
    redis: Redis
    transport: Transport
    launcher: Launcher = field(init=False)

    def __post_init__(self) -> None:
        self.launcher = self.new(self.home)

    def worker(self) -> Worker:
        """A lease on the first GPU."""
        return Worker(
            worker_id=secrets.token_hex(4),
            sweep="s",
            device=self.fleet.gpu[0].uuid,
            lease_mib=8000,
            cap_mib=6000,
            state=WorkerState.STARTING,
            created_at=time.time(),
        )

    def started(self) -> Worker:
        """A worker that has come up."""
        worker = self.worker()
        self.launcher.start(worker)
        eventually(lambda: self.redis.xlen(report_stream(worker.worker_id)) == 1)
        return worker

    def trains(self, worker: Worker, seconds: float = 60.0) -> int:
        """Let the worker begin a run; the pid of the run's process as the driver numbers it."""
        self.redis.set(plan_key("a"), Plan(PEAK_MIB, seconds=seconds).dump())
        self.transport.deliver(worker.worker_id, "a", "0123456789abcdef")
        eventually(self.fleet.gpu[0].processes)
        (pid,) = self.fleet.gpu[0].processes()
        return pid

    def is_gone(self, worker: Worker) -> bool:
        return worker.worker_id not in self.launcher.alive()
