"""What watches a machine while a test runs: every start, every snapshot, and the memory of the dead."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.balancer.answers.status import SNAPSHOT
from orchestrator.balancer.launchers.process import ProcessLauncher
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.readings import DeviceProbe
from orchestrator.records import Worker, WorkerState
from orchestrator.redis_door import Redis, RedisError
from tests.driver.stand_in import Fleet

_EVERY_S = 0.02


@dataclass(frozen=True)
class Grant:
    """What held at the moment in which the launcher was told to start a worker."""

    worker: Worker
    at: float
    leased_mib: Mapping[str, int]
    """Of every device, as Redis had it."""
    is_durable: bool
    """Whether this lease was among them."""
    read_s_ago: float
    """Age of the reading of its device."""
    ramping: int
    """Other workers of its device that were starting, or had a run that had not passed its first epoch."""


class WitnessedLauncher(ProcessLauncher):
    """The real launcher, which notes what holds whenever it is told to start a worker."""

    def watch(self, leases: Leases, probe: DeviceProbe) -> None:
        """Begin to note."""
        self._leases, self._probe = leases, probe
        self.grants: list[Grant] = []

    def start(self, worker: Worker) -> None:
        """Note, then start."""
        held = self._leases.workers()
        at = next((found.at for found in self._probe.read() if found.device_id == worker.device), 0.0)
        others = [one for one in held if one.device == worker.device and one.worker_id != worker.worker_id]
        leased: Counter[str] = Counter()
        for one in held:
            leased[one.device] += one.lease_mib
        durable = any(one.worker_id == worker.worker_id for one in held)
        ramping = sum(map(_ramps, others))
        self.grants.append(Grant(worker, time.time(), leased, durable, time.time() - at, ramping))
        super().start(worker)


def _ramps(worker: Worker) -> bool:
    return worker.state is WorkerState.STARTING or bool(worker.run_id and not worker.steady)


class Repeated:
    """A thread that does something again and again."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop, and wait for the last time."""
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._act()


@dataclass
class Snapshots:
    """Every snapshot that the balancer publishes."""

    redis: Redis
    seen: list[dict[str, Any]] = field(default_factory=list)
    _last: str = ""

    def look(self) -> None:
        """Take the newest one."""
        with suppress(RedisError):
            text = self.redis.get(SNAPSHOT)
            if text and text != self._last:
                self._last = text
                self.seen.append(json.loads(text))

    def of(self, device_id: str) -> Sequence[dict[str, Any]]:
        """All that was said of a device, in its order."""
        return [device for seen in list(self.seen) for device in seen["devices"] if device["device"] == device_id]

    def now(self, device_id: str) -> dict[str, Any]:
        """The last that was said of a device; nothing before the first snapshot."""
        return (self.of(device_id) or [{}])[-1]


@dataclass
class Undertaker:
    """Gives back the memory of processes that have died, as the driver does; after a while, if that is asked for."""

    fleet: Fleet
    delay_s: float = 0.0
    buried: list[tuple[str, float]] = field(default_factory=list)
    """Devices that got memory back from a dead process, and when; s since the epoch."""
    _since: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Bury those whose time has come."""
        for device in self.fleet.devices:
            for pid in filter(_is_dead, device.processes()):
                if time.monotonic() - self._since.setdefault(pid, time.monotonic()) >= self.delay_s:
                    device.release(pid)
                    self.buried.append((device.uuid, time.time()))


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except OSError:
        return True
