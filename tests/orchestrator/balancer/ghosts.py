"""Workers without a training stack: they hold leases and speak as real ones do, and die on cue."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.balancer.launchers.port import Launched
from orchestrator.balancer.readings import Reading
from orchestrator.records import Worker
from orchestrator.redis_door import Redis
from worker.link import Link
from worker.spec import ReportKind


@dataclass
class FakeProbe:
    """Devices that a test sets."""

    devices: tuple[Reading, ...] = (Reading("cpu", "CPU", 0.0, total_mib=16_000, free_mib=15_000, slots=1),)

    frozen: bool = False
    forgiven: tuple[str, ...] = ()

    def read(self) -> tuple[Reading, ...]:
        if self.frozen:
            return self.devices
        return tuple(replace(device, at=time.time()) for device in self.devices)

    def forgive(self, device_id: str) -> None:
        self.forgiven += (device_id,)

    def close(self) -> None:
        pass


@dataclass
class Ghost:
    """A worker in name."""

    worker: Worker
    link: Link
    asked_to_leave: bool = False
    pids: tuple[int, ...] = ()

    def ready(self) -> None:
        self.link.beat()
        self.link.say(ReportKind.READY)

    def say(self, kind: ReportKind, run_id: str, token: str, **fields: Any) -> None:
        self.link.say(kind, run_id=run_id, token=token, **fields)


@dataclass
class FakeLauncher:
    """Launches ghosts."""

    redis: Redis
    ghosts: dict[str, Ghost] = field(default_factory=dict)
    fails: bool = False

    def start(self, worker: Worker) -> None:
        if self.fails:
            raise OSError("no more processes")
        self.ghosts[worker.worker_id] = Ghost(worker, Link(self.redis, worker.worker_id))

    def alive(self) -> dict[str, Launched]:
        return {name: Launched(name, 100, ghost.pids) for name, ghost in self.ghosts.items()}

    def resize(self, worker_id: str, lease_mib: int) -> None:
        pass

    def ask_to_leave(self, worker_id: str) -> None:
        if worker_id in self.ghosts:
            self.ghosts[worker_id].asked_to_leave = True

    def kill(self, worker_id: str) -> None:
        self.ghosts.pop(worker_id, None)

    def only(self) -> Ghost:
        (ghost,) = self.ghosts.values()
        return ghost
