"""A machine for one test: GPUs of the stand-in driver, a balancer of real parts over them, ghosts as its workers."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.balancer.accounting import Rules
from orchestrator.balancer.closures import Closures
from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.launchers.process import ProcessLauncher
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.probes.nvml import NvmlProbe, Pace
from orchestrator.ledger import Ledger
from orchestrator.records import Run, SweepPolicy
from orchestrator.redis_door import Redis, connect
from orchestrator.settings import BalancerSettings
from orchestrator.states import UNDER_WAY, RunState
from orchestrator.transport import Transport
from tests.chaos.plans import CURSED, DEATHS, FINISHED, TAKEN, Plan, plan_key
from tests.chaos.witnesses import Repeated, Snapshots, Undertaker, WitnessedLauncher
from tests.driver.gpu import Gpu
from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually
from tests.samples import run_spec, sweep_fields

GHOST = [sys.executable, "-m", "tests.chaos.ghost_worker"]
PACE = Pace(interval_s=0.1, slow_every_s=0.2, silence_s=1.5, restart_s=0.05, retry_s=0.5)
RULES = Rules(poll_s=0.2, hold_s=2.0, half_life_s=0.5, release_timeout_s=2.0)
SETTINGS = BalancerSettings(tick_s=0.1, idle_worker_s=0.5, stop_grace_s=3.0)
_LONGEST = 4000
POLICY = SweepPolicy(failed_fraction=1.0)


def ghosts_of(fleet: Fleet, home: Path, address: str) -> dict[str, str]:
    """What a ghost needs in its environment."""
    return {**fleet.environment(), "HDSMLM_REDIS_URL": address, "HDSMLM_HOME": str(home)}


@dataclass
class Machine:
    """Everything that a test touches; memory in MiB."""

    fleet: Fleet
    redis: Redis
    address: str
    home: Path
    rules: Rules = RULES
    settings: BalancerSettings = SETTINGS
    daemon: Daemon | None = None
    failure: BaseException | None = None
    """What ended the balancer's thread."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.ledger, self.closures = Ledger(self.redis), Closures(self.redis)
        self.snapshots = Snapshots(connect(self.address))
        self.undertaker = Undertaker(self.fleet)
        self._repeated = [Repeated(self.snapshots.look), Repeated(self.undertaker.look)]

    # ------------------------------------------------------------------------------------------------- the balancer

    def balance(self) -> None:
        """Start the balancer in a thread."""
        self.probe = NvmlProbe(PACE, environment=self.fleet.environment())
        assert self.probe.wait_for_polls(1, 30.0), self.probe.driver_trouble
        client = connect(self.address)
        self.launcher = WitnessedLauncher(
            self.home, ghosts_of(self.fleet, self.home, self.address), threads=1, command=GHOST
        )
        self.launcher.watch(Leases(connect(self.address)), self.probe)
        transport = Transport(connect(self.address, decode=False))
        self.daemon = Daemon(
            Ledger(client), Leases(client), transport, self.probe, self.launcher, self.settings, self.rules
        )
        self._thread = threading.Thread(target=self._run, args=(self.daemon,), daemon=True)
        self._thread.start()

    def _run(self, daemon: Daemon) -> None:
        try:
            daemon.run(self._stop)
        except BaseException as error:
            self.failure = error

    def close(self) -> None:
        """End everything."""
        if self.daemon:
            self._stop.set()
            self._thread.join()
        self.end_ghosts()
        for repeated in self._repeated:
            repeated.end()
        if self.daemon:
            self.probe.close()

    def end_ghosts(self) -> None:
        """Kill every worker of this home, whoever launched it."""
        known = self.launcher if self.daemon else ProcessLauncher(self.home, {}, threads=1)
        while alive := known.alive():
            for worker_id in alive:
                known.kill(worker_id)
            time.sleep(0.01)

    # ----------------------------------------------------------------------------------------------------- the runs

    def submit(self, *run_ids: str, mib: int, sweep: str = "s", plan: Plan | None = None) -> None:
        """Submit runs that are predicted to peak at `mib`, and do unless a plan says otherwise."""
        for run_id in run_ids:
            self.plan(run_id, plan or Plan(mib))
        runs = [run_spec(run_id, sweep=sweep, cell=cell, footprint_mib=mib) for cell, run_id in enumerate(run_ids)]
        self.ledger.submit(sweep, runs, sweep_fields(POLICY))

    def plan(self, run_id: str, plan: Plan) -> None:
        """Tell the ghosts what to do with a run."""
        self.redis.set(plan_key(run_id), plan.dump())

    def run(self, run_id: str) -> Run:
        return self.ledger.run(run_id)

    def runs(self, sweep: str = "s") -> list[Run]:
        return self.ledger.runs(sweep)

    def runs_of_all(self) -> list[Run]:
        return [run for name in self.ledger.sweeps() for run in self.ledger.runs(name)]

    def running(self) -> list[Run]:
        return self.ledger.runs("s", RunState.RUNNING)

    def completes(self, sweep: str = "s", within_s: float = 60.0) -> None:
        """Wait until every run of a sweep is over, and find each finished."""
        self.comes_to_rest(sweep, within_s)
        assert {run.run_id: run.state for run in self.runs(sweep) if run.state is not RunState.FINISHED} == {}

    def comes_to_rest(self, sweep: str = "s", within_s: float = 60.0) -> None:
        """Wait until every run of a sweep is over."""
        self.eventually(lambda: self._are_over(sweep), within_s)

    def _are_over(self, sweep: str) -> bool:
        counts = self.ledger.counts(sweep)
        return not any(counts[state] for state in UNDER_WAY)

    def eventually(self, holds: Callable[[], object], within_s: float = 30.0) -> None:
        """Wait until something holds, as long as the balancer lives."""

        def or_fails() -> object:
            if self.failure:
                raise self.failure
            return holds()

        try:
            eventually(or_fails, within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.situation()}") from None

    def situation(self) -> str:
        """For the message of a failed test."""
        last = self.snapshots.seen[-1] if self.snapshots.seen else {}
        keys = ("name", "health", "why", "leased_mib", "observed_mib", "foreign_mib", "free_mib", "headroom_mib")
        devices = [{key: device[key] for key in keys} for device in last.get("devices", [])]
        workers = [(one["worker"], one["state"], one["run"], one["lease_mib"]) for one in last.get("workers", [])]
        runs = {
            run.run_id: f"{run.state} {run.attempts} {run.message}"
            for run in self.runs()
            if run.attempts and not run.state.is_over
        }
        waits = [(sweep["waits"], sweep["paused"]) for sweep in last.get("sweeps", [])]
        return f"devices {devices}, workers {workers}, runs {runs}, waits {waits}"[:_LONGEST]

    # --------------------------------------------------------------------------------------------- what ghosts noted

    def taken(self, run_id: str = "") -> list[dict[str, Any]]:
        """Attempts that ghosts have taken, of one run or of all."""
        return [found for found in self._noted(TAKEN) if run_id in ("", found["run"])]

    def said_finished(self) -> list[tuple[str, str]]:
        """Run and token of every attempt that came to its end."""
        return [(found["run"], found["token"]) for found in self._noted(FINISHED)]

    def deaths(self) -> list[dict[str, Any]]:
        """Runs that found no memory although they kept to their cap."""
        return self._noted(DEATHS)

    def curse(self, device: Gpu) -> None:
        """Let every run on a device die with its worker."""
        self.redis.sadd(CURSED, device.uuid)

    def bless(self, device: Gpu) -> None:
        self.redis.srem(CURSED, device.uuid)

    def _noted(self, key: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.redis.lrange(key, 0, -1)]

    def usable_mib(self, device_id: str) -> int:
        """What processes can have of a device."""
        device = self.fleet.device(device_id)
        return device.total_mib - int(device.row.reserved >> 20)
