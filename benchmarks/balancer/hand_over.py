"""How fast the balancer reacts: the next run of a warm worker, and a new lease after memory came free.

    python -m benchmarks.balancer.hand_over [--hand-overs 1000] [--leases 20] [--queued N] [--first]

The balancer runs as it is, in a process of its own, over an embedded Redis of its own, a stand-in driver with eight
GPUs and workers that train nothing. All times are those at which Redis was told, by its own clock (MONITOR): that a run
has finished, that the worker's queue got the next order, that a lease was written down, which is right before the
launcher is called. What somebody who polls would need is computed from the same events: the wait for the next look.
With `--first`, Redis and the balancer go before whatever else the machine does, but their workers do not: so the
figures are the balancer's own also where others compute.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.addresses import redis_url
from orchestrator.redis_door import Redis, RedisError, connect
from orchestrator.services import REDIS, Services
from orchestrator.settings import Settings
from orchestrator.states import RunState
from tests.chaos.machine import Machine, ghosts_of
from tests.chaos.plans import Plan
from tests.driver.stand_in import Fleet
from worker.spec import PREFIX

GPUS, SHARING_MIB, ALONE_MIB = 8, 24_000, 60_000
"""GPUs, and the size of runs of which several share a GPU, and of those that have one alone."""
RUN_S = (1.0, 3.0)
FREED_AFTER_S = (3.0, 5.0)
"""How long the memory of a dead worker is kept from the balancer, which has noticed its death by then."""
HAND_OVER_BARS_MS, LEASE_BAR_S = (50.0, 250.0), 2.5
POLLERS_S = (1.0, 30.0)


@dataclass
class Wire:
    """What Redis was told, and when by its own clock, s since the epoch."""

    redis: Redis
    finished: dict[str, float] = field(default_factory=dict)
    """Last end of a run, by worker."""
    hand_overs: list[tuple[float, float]] = field(default_factory=list)
    """End of a run, and arrival of the next order of its worker."""
    leases: list[tuple[str, float]] = field(default_factory=list)
    """Devices of new leases, and when they were written."""

    def listen(self) -> None:
        """Begin to listen, in a thread."""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(RedisError), self.redis.monitor() as monitor:
            while True:
                said = monitor.next_command()
                self._hear(said["command"].split(" "), said["time"])

    def _hear(self, words: Sequence[str], at: float) -> None:
        verb, key = words[0].upper(), words[1] if len(words) > 1 else ""
        if verb == "XADD" and key.startswith(f"{PREFIX}:reports:") and '"kind":"finished"' in words[-1]:
            self.finished[key.rpartition(":")[2]] = at
        elif verb == "RPUSH" and key.startswith("rq:queue:worker-"):
            if (ended := self.finished.pop(key.rpartition("-")[2], None)) is not None:
                self.hand_overs.append((ended, at))
        elif verb == "HSET" and key.startswith(f"{PREFIX}:worker:") and "created_at" in words:
            self.leases.append((words[words.index("device") + 1], at))


@contextmanager
def installation(gpus: int) -> Iterator[Machine]:
    """Everything but a balancer."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = Settings(home=Path(folder) / "home")
        services = Services(settings)
        services._start_redis()
        address = redis_url(settings)
        machine = Machine(Fleet.create(Path(folder) / "driver", gpus=gpus), connect(address), address, settings.home)
        try:
            yield machine
        finally:
            machine.close()
            services.stop(REDIS)


@contextmanager
def balancer(machine: Machine, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A balancer of the machine, in a process of its own."""
    environment = {**os.environ, **ghosts_of(machine.fleet, machine.home, machine.address), "HDSMLM_DEVICES": "gpu"}
    if os.sched_getscheduler(0) == os.SCHED_RR:
        environment["GHOST_COMMAND"] = "chrt --other 0"
    machine.home.mkdir(parents=True, exist_ok=True)
    with (machine.home / "balancer.log").open("wb") as log:
        command = [sys.executable, "-m", "tests.chaos.balancer_process"]
        process = subprocess.Popen(command, env={**environment, **settings}, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def go_first() -> None:
    """Let this process, and what it starts, go before all others."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hand-overs", type=int, default=1000)
    parser.add_argument("--leases", type=int, default=20)
    parser.add_argument("--queued", type=int, default=0, help="runs that wait behind those that are measured")
    parser.add_argument("--first", action="store_true", help="let them go before everything else; needs root")
    asked = parser.parse_args()
    if asked.first:
        go_first()
    print(f"{'':<44}{'n':>6}{'p50 ms':>10}{'p99 ms':>10}   bars (p50, p99)", flush=True)
    hand_overs = measured_hand_overs(asked.hand_overs, asked.queued)
    _print(
        "run finished → next order of the warm worker", [end - begin for begin, end in hand_overs], HAND_OVER_BARS_MS
    )
    for every_s in POLLERS_S:
        waits = [_until_next_look(begin, every_s) for begin, _ in hand_overs]
        _print(f"  who looks every {every_s:g} s, computed", waits)
    leases = measured_leases(asked.leases)
    _print(
        "memory free → new lease, launcher called",
        [end - begin for begin, end in leases],
        (math.inf, LEASE_BAR_S * 1e3),
    )
    for every_s in POLLERS_S:
        waits = [_until_next_look(begin, every_s) for begin, _ in leases]
        _print(f"  who looks every {every_s:g} s, computed", waits)


def measured_hand_overs(wanted: int, queued: int) -> list[tuple[float, float]]:
    """End of a run, and arrival of its worker's next order."""
    with installation(GPUS) as machine:
        wire = Wire(connect(machine.address))
        wire.listen()
        names = [f"r{number:05}" for number in range(wanted + 8 * GPUS + queued)]
        machine.submit(*names, mib=SHARING_MIB)
        for name in names:
            machine.plan(name, Plan(SHARING_MIB, seconds=random.uniform(*RUN_S)))
        with balancer(machine):
            while len(wire.hand_overs) < wanted:
                time.sleep(0.1)
    return wire.hand_overs[:wanted]


def measured_leases(wanted: int) -> list[tuple[float, float]]:
    """When the memory of a dead worker came free, and when the next lease there was written."""
    with installation(GPUS) as machine:
        wire = Wire(connect(machine.address))
        wire.listen()
        plan = Plan(ALONE_MIB, seconds=8.0, ends="dies", dies_after_s=4.0, bad_attempts=1)
        machine.submit(*[f"r{number:03}" for number in range(2 * wanted)], mib=ALONE_MIB, plan=plan)
        with balancer(machine):
            while len(found := list(_leases_after(machine.undertaker.buried, wire.leases))) < wanted:
                machine.undertaker.delay_s = random.uniform(*FREED_AFTER_S)
                assert machine.running() or machine.ledger.runs("s", RunState.QUEUED), "no runs are left"
                time.sleep(0.05)
    return found[:wanted]


def _leases_after(
    freed: Sequence[tuple[str, float]], leases: Sequence[tuple[str, float]]
) -> Iterator[tuple[float, float]]:
    for device, freed_at in list(freed):
        after = [at for where, at in list(leases) if where == device and at > freed_at]
        if after:
            yield freed_at, min(after)


def _until_next_look(at: float, every_s: float) -> float:
    return math.ceil(at / every_s) * every_s - at


def _print(what: str, seconds: Sequence[float], bars_ms: tuple[float, float] | None = None) -> None:
    in_ms = sorted(1000 * one for one in seconds)
    p50, p99 = statistics.median(in_ms), in_ms[min(len(in_ms) - 1, math.ceil(0.99 * len(in_ms)) - 1)]
    line = f"{what:<44}{len(in_ms):>6}{p50:>10.1f}{p99:>10.1f}"
    if bars_ms:
        verdict = "met" if p50 < bars_ms[0] and p99 <= bars_ms[1] else "MISSED"
        named = ", ".join("-" if math.isinf(bar) else f"{bar:g}" for bar in bars_ms)
        line += f"   {named}: {verdict}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
