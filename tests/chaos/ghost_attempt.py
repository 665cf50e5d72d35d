"""One attempt of a ghost, in the child that its supervisor forks: what it holds, says and comes to."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field

import redis

from tests.chaos.plans import CURSED, DEATHS, FINISHED, TAKEN, Plan, attempts_key
from tests.driver.gpu import Gpu
from tests.driver.numbering import host_pid
from tests.driver.stand_in import Fleet
from worker.link import Link
from worker.spec import FailureClass, Order, ReportKind, heartbeat_key

_RAMP_STEPS = 4
_RAMP_SHARE = 0.2
"""Of a run's time, in which it takes its memory."""
_LONGEST_RAMP_S = 2.0
_METRICS = {"val_f1": 0.5}
_RATE = 10.0
_BESIDE_CAP_MIB = 1536
"""What a lease has beside the cap."""


class MemoryRefusedError(Exception):
    """Memory that could not be had, and whose fault that is."""

    def __init__(self, kind: FailureClass, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Attempt:
    """One attempt in its process."""

    redis: redis.Redis
    link: Link
    plan: Plan
    run_id: str
    token: str
    worker_id: str
    parent: int = field(default_factory=os.getppid)
    began: float = field(default_factory=time.monotonic)
    told_at: float = field(default_factory=time.monotonic)
    pid: int = field(init=False)
    """As the driver numbers it."""
    gpu: Gpu = field(init=False)
    cap_mib: int = field(init=False)

    def play(self) -> None:
        """From `started` to the last word."""
        fleet = Fleet.open(os.environ)
        self.pid = host_pid(fleet.folder)
        self.gpu = fleet.device(os.environ["HDSMLM_DEVICE"])
        self.cap_mib = self.link.cap_mib(self.run_id)
        self._note_taking()
        if self.plan.ends == "silent":
            self.redis.delete(heartbeat_key(self.worker_id))
        self._say(ReportKind.STARTED, epochs=2)
        try:
            self._train()
        except MemoryRefusedError as error:
            self._say(ReportKind.FAILED, failure=error.kind, signature="MemoryRefused", message=str(error))
        finally:
            time.sleep(self.plan.lingers_s)
            self.gpu.release(self.pid)

    def _train(self) -> None:
        plan = self.plan
        goes_on = self._wait_until(plan.allocate_after_s) and self._ramp()
        if goes_on and plan.ends in set(FailureClass):
            self._say(ReportKind.FAILED, failure=plan.ends, signature="Planned", message="as planned")
            return
        if goes_on:
            self._progress()
        if goes_on and self._wait_until(plan.allocate_after_s + plan.seconds):
            self._finish()

    def _finish(self) -> None:
        self.redis.rpush(FINISHED, json.dumps({"run": self.run_id, "token": self.token}))
        result = {"mlflow_run_id": self.token, "metrics": _METRICS, "peak_mib": self.plan.peak_mib}
        self._say(ReportKind.FINISHED, epoch=2, epochs=2, **result)

    def _ramp(self) -> bool:
        """Take the memory step by step; False where the attempt was told to end meanwhile."""
        self._allocate(self.plan.context_mib)
        ramp_s = min(self.plan.seconds * _RAMP_SHARE, _LONGEST_RAMP_S)
        for step in range(1, _RAMP_STEPS + 1):
            self._stay_under_cap(self._level_mib(step))
            self._allocate(self._level_mib(step) - self._level_mib(step - 1))
            if not self._wait_until(self.plan.allocate_after_s + ramp_s * step / _RAMP_STEPS):
                return False
        if self.plan.overrun_mib:
            held = self.gpu.processes().get(self.pid, 0)
            self._allocate(self.cap_mib + _BESIDE_CAP_MIB + self.plan.overrun_mib - held)
        return True

    def _level_mib(self, step: int) -> int:
        return self.plan.peak_mib * step // _RAMP_STEPS

    def _stay_under_cap(self, mib: int) -> None:
        if self.cap_mib and mib > self.cap_mib:
            raise MemoryRefusedError(FailureClass.OOM, f"{mib} MiB are more than its cap of {self.cap_mib} MiB")

    def _allocate(self, mib: int) -> None:
        if mib <= 0 or self.gpu.allocate(self.pid, mib):
            return
        found = {
            "run": self.run_id,
            "device": self.gpu.uuid,
            "pid": self.pid,
            "asked_mib": mib,
            "foreign_mib": int(self.gpu.row.now.foreign >> 20),
            "held_mib": self.gpu.processes(),
        }
        self.redis.rpush(DEATHS, json.dumps(found))
        raise MemoryRefusedError(FailureClass.INFRA, f"the device is full: {found}")

    def _wait_until(self, after_s: float) -> bool:
        """Go on until so long after the beginning; False where the attempt was told to end."""
        while True:
            if os.getppid() != self.parent:
                os._exit(1)
            self._die_if_doomed()
            self._tell_pace()
            if order := self.link.order(self.run_id, self.token):
                if order is Order.RELEASE:
                    self._say(ReportKind.RELEASED, epoch=1)
                return False
            left_s = self.began + after_s - time.monotonic()
            if left_s <= 0:
                return True
            time.sleep(min(left_s, self.plan.look_every_s))

    def _die_if_doomed(self) -> None:
        """Take the worker down, all of it at once, with the memory that the run holds by then."""
        if time.monotonic() - self.began < self.plan.dies_after_s:
            return
        if self.plan.ends != "dies" and not self.redis.sismember(CURSED, self.gpu.uuid):
            return
        os.kill(self.parent, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def _tell_pace(self) -> None:
        if self.plan.tells_every_s and time.monotonic() - self.told_at >= self.plan.tells_every_s:
            self.told_at = time.monotonic()
            self.link.tell_pace(run_id=self.run_id, token=self.token, epoch=1, epochs=2, steps_per_s=_RATE)

    def _progress(self) -> None:
        seen = {"metrics": _METRICS, "peak_mib": self.plan.peak_mib}
        self._say(ReportKind.PROGRESS, epoch=1, epochs=2, steps_per_s=_RATE, **seen)

    def _note_taking(self) -> None:
        self.redis.incr(attempts_key(self.run_id))
        found = {
            "run": self.run_id,
            "token": self.token,
            "worker": self.worker_id,
            "device": self.gpu.uuid,
            "visible": os.environ["CUDA_VISIBLE_DEVICES"],
            "order": os.environ["CUDA_DEVICE_ORDER"],
            "at": time.time(),
        }
        self.redis.rpush(TAKEN, json.dumps(found))

    def _say(self, kind: ReportKind, **fields: object) -> None:
        self.link.say(kind, run_id=self.run_id, token=self.token, **fields)
