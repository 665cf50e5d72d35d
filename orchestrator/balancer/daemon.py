"""The loop: wait for a report or a tick, apply what workers said, observe, decide, act.

A report is answered at once. What must be looked for, processes that are gone, heartbeats, other people's changes, is
looked for at each tick. Everything outside is passed in, so the same loop runs over real and fake devices and
launchers. One daemon per installation: `lock` keeps a second one out.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from orchestrator.balancer.accounting import Account, Rules
from orchestrator.balancer.answers.snapshot import snapshot, stored_books
from orchestrator.balancer.answers.status import SNAPSHOT
from orchestrator.balancer.decision.observation import Action, Assign, Drain, Observation, Park, Reap, Refuse, Start
from orchestrator.balancer.decision.policy import decide
from orchestrator.balancer.departures import Departures
from orchestrator.balancer.launchers.port import Launcher
from orchestrator.balancer.leases import Heard, Leases
from orchestrator.balancer.observer import Observer, World, rates_by_device
from orchestrator.balancer.readings import DeviceProbe
from orchestrator.balancer.reports import Reports
from orchestrator.errors import OrchestratorError, RefusedError, SupersededError
from orchestrator.ledger import LeaseOf, Ledger
from orchestrator.records import Run, Worker, WorkerState
from orchestrator.settings import BalancerSettings
from orchestrator.states import RunState
from orchestrator.transport import Transport
from worker.spec import CPU_DEVICE, Order, ReportKind, control_key

_log = logging.getLogger(__name__)
_CONTROL_TTL_S = 24 * 3600
_LEAVING_STEP_S = 0.2
_NOT_BEGUN = {"epoch": 0, "steps_per_s": 0, "peak_mib": 0}


@dataclass
class Daemon:
    """A balancer over its ports."""

    ledger: Ledger
    leases: Leases
    transport: Transport
    probe: DeviceProbe
    launcher: Launcher
    settings: BalancerSettings
    rules: Rules = field(default_factory=Rules)
    reports: Reports = field(init=False)
    departures: Departures = field(init=False)
    observer: Observer = field(init=False)
    fencing_epoch: int = field(init=False, default=0)
    _world: World = field(init=False, default=World((), {}))
    _listened_to: list[str] = field(init=False, default_factory=list)
    """Workers whose reports are waited for."""
    _ordered: list[str] = field(init=False, default_factory=list)
    """Workers that were sent an order, and of which that is not written down yet."""
    _ticked: float = field(init=False, default=0.0)
    _since: float = field(init=False, default_factory=time.time)

    def __post_init__(self) -> None:
        self.observer = Observer(self.ledger, self.leases, self.settings, self.rules)
        self.experience = self.observer.experience
        self.observer.books.load(stored_books(self.ledger.redis.get(SNAPSHOT)))
        self.reports = Reports(self.ledger, self.leases, self.experience, self.observer.closures)
        self.departures = Departures(
            self.ledger, self.leases, self.reports, self.launcher, self.transport, self.settings
        )

    def run(self, stop: threading.Event) -> None:
        """Balance until `stop` is set; workers are left running."""
        self.fencing_epoch = self.leases.next_fencing_epoch()
        self._listened_to = [worker.worker_id for worker in self.leases.workers()]
        while not stop.is_set():
            self.step(self.settings.tick_s)

    def leave(self) -> None:
        """Let every worker checkpoint and leave; those that have not done so after the grace are put away."""
        self.observer.leaving = True
        deadline = time.monotonic() + self.settings.stop_grace_s
        while (alive := self.launcher.alive()) and time.monotonic() < deadline:
            self.step(min(self.settings.tick_s, _LEAVING_STEP_S))
        for worker_id in alive:
            self.launcher.kill(worker_id)

    def step(self, wait_s: float) -> None:
        """One round: hear the workers for up to `wait_s`, then decide and act; look around where that is due.

        Raises:
            SupersededError: another balancer has taken over.
        """
        heard = self.leases.reports(self._listened_to, wait_s)
        if heard.fencing_epoch > self.fencing_epoch:
            raise SupersededError("a balancer that was started later works on this Redis; this one leaves it alone")
        self.reports.apply(heard.entries)
        due = not heard.entries or time.monotonic() - self._ticked >= self.settings.tick_s
        workers = self._look_around() if due or heard.woken or _has_failures(heard) else self.leases.workers()
        self._listened_to = [worker.worker_id for worker in workers]
        observation, account = self._observe(workers)
        self._carry_out(decide(observation), observation)
        if due:
            self._tell(workers, observation, account)

    def _look_around(self) -> list[Worker]:
        """Find who is gone, deliver what was not, and read anew what changes seldom."""
        self._ticked = time.monotonic()
        self._world = World(self.probe.read(), self.launcher.alive())
        found = self.leases.workers()
        runs = self.ledger.runs_by_id(worker.run_id for worker in found if worker.run_id)
        signs = self.leases.signs([worker.worker_id for worker in found])
        runs |= self.reports.note_paces(signs.paces, runs)
        workers = list(self.departures.bury(found, runs, self._world.launched, signs.beating))
        self._redeliver(workers)
        self.observer.refresh(runs)
        for device_id in self.observer.closures.take_forgiven():
            self.probe.forgive(device_id)
        return workers

    def _read(self) -> None:
        """Take a newer reading, and the processes of that moment with it, lest a new one be taken for foreign."""
        readings = self.probe.read()
        if [reading.at for reading in readings] != [reading.at for reading in self._world.readings]:
            self._world = World(readings, self.launcher.alive())

    def _observe(self, workers: list[Worker]) -> tuple[Observation, Account]:
        self._read()
        observation, account = self.observer.look(workers, self._world)
        if not account.released:
            return observation, account
        for worker_id in account.released:
            self.leases.end(worker_id)
        return self.observer.look([one for one in workers if one.worker_id not in account.released], self._world)

    def _tell(self, workers: list[Worker], observation: Observation, account: Account) -> None:
        """Learn from how fast the runs go, and publish what was seen."""
        models = {device.device_id: device.model for device in observation.devices}
        for device_id, rates in rates_by_device(workers, self.observer.runs, observation.devices).items():
            self.experience.rates(models[device_id], rates)
        self._watch_overheads(workers, account, models)
        seen = snapshot(self.observer, observation, self._world, fencing_epoch=self.fencing_epoch, since=self._since)
        self.ledger.redis.set(SNAPSHOT, json.dumps(seen))

    def _watch_overheads(self, workers: list[Worker], account: Account, models: dict[str, str]) -> None:
        for worker in workers:
            if worker.steady and worker.device in models and worker.device != CPU_DEVICE:
                beside = account.observed_mib.get(worker.worker_id, 0) - worker.cap_mib
                self.experience.held_beside_cap(models[worker.device], beside)

    def _carry_out(self, actions: Iterable[Action], observation: Observation) -> None:
        """Act; workers that wait for a run come before launches, which take a while."""
        for action in sorted(actions, key=lambda one: isinstance(one, Start)):
            self._act(action, observation)
        self.leases.delivered(self._ordered)
        self._ordered.clear()

    def _act(self, action: Action, observation: Observation) -> None:
        match action:
            case Start():
                self._start(action, observation)
            case Assign():
                self._assign(action)
            case Park(worker_id, lease_mib):
                self.leases.note(worker_id, lease_mib=lease_mib)
            case Drain():
                self._drain(action)
            case Reap(worker_id, message):
                self._reap(worker_id, message)
            case Refuse(run_id, message):
                with suppress(RefusedError):
                    self.ledger.move(run_id, RunState.INFEASIBLE, fields={"message": message})

    def _start(self, start: Start, observation: Observation) -> None:
        model = next(device.model for device in observation.devices if device.device_id == start.device_id)
        worker = Worker(
            worker_id=secrets.token_hex(4),
            sweep=start.sweep,
            device=start.device_id,
            model=model,
            lease_mib=start.lease_mib,
            cap_mib=start.cap_mib,
            state=WorkerState.STARTING,
            created_at=time.time(),
            exclusive=start.exclusive,
            signature=start.signature,
        )
        self.leases.grant(worker)
        self._listened_to.append(worker.worker_id)
        try:
            self.launcher.start(worker)
        except (OrchestratorError, OSError) as error:
            self.departures.stillborn(worker, f"could not be launched: {error}")

    def _assign(self, assign: Assign) -> None:
        token = secrets.token_hex(8)
        fields = {"token": token, "worker": assign.worker_id, "assigned_at": time.time(), "cap_mib": assign.cap_mib}
        lease = LeaseOf(assign.worker_id, assign.lease_mib, assign.cap_mib, assign.exclusive)
        self.launcher.resize(assign.worker_id, assign.lease_mib)
        try:
            self.ledger.move(assign.run_id, RunState.ASSIGNED, lease=lease, fields={**fields, **_NOT_BEGUN})
        except RefusedError as refused:
            _log.info("not assigned: %s", refused)
        else:
            self._deliver(assign.worker_id, assign.run_id, token)

    def _deliver(self, worker_id: str, run_id: str, token: str) -> None:
        self.transport.deliver(worker_id, run_id, token)
        self._ordered.append(worker_id)

    def _redeliver(self, workers: list[Worker]) -> None:
        for worker in workers:
            if worker.run_id and not worker.delivered:
                run = self.ledger.run(worker.run_id)
                if run.token and run.worker == worker.worker_id:
                    self._deliver(worker.worker_id, run.run_id, run.token)

    def _drain(self, drain: Drain) -> None:
        worker = self.leases.worker(drain.worker_id)
        if worker is None:
            return
        _log.info("worker %s drains: %s", drain.worker_id, drain.reason)
        if worker.run_id and drain.release:
            self.order(self.ledger.run(worker.run_id), Order.RELEASE)
        self.leases.mark(drain.worker_id, WorkerState.DRAINING)
        self.leases.note(drain.worker_id, asked_at=time.time() if drain.release else 0)
        self.launcher.ask_to_leave(drain.worker_id)

    def _reap(self, worker_id: str, message: str) -> None:
        if worker := self.leases.worker(worker_id):
            self.departures.overrun(worker, message)

    def order(self, run: Run, order: Order) -> None:
        """Leave an order where the run's present attempt will find it."""
        self.ledger.redis.set(control_key(run.run_id, run.token), order, ex=_CONTROL_TTL_S)


def _has_failures(heard: Heard) -> bool:
    """Whether something failed, which may have paused a sweep."""
    return any(entry.report.kind is ReportKind.FAILED for entry in heard.entries)
