"""What a decision would look at now, put together without a balancer: from its last snapshot and from the ledger."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from orchestrator.balancer.accounting import Rules
from orchestrator.balancer.decision.memory import whole_mib
from orchestrator.balancer.decision.observation import Demand, Device, Observation, WorkerView
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.observer import Observer, World
from orchestrator.balancer.readings import Reading
from orchestrator.ledger import RANK, Ledger, QueueLine
from orchestrator.records import Run, WorkerState
from orchestrator.settings import BalancerSettings

_Seen = TypeVar("_Seen", Device, WorkerView)
_FIELDS = {"device": "device_id", "worker": "worker_id", "run": "run_id"}
"""Keys of the snapshot that are called otherwise in a decision."""


class Hindsight(Observer):
    """An observer that sees the machine only as the last balancer saw it; queues and experience are those of now."""

    def __init__(self, ledger: Ledger, seen: Mapping[str, Any]) -> None:
        super().__init__(ledger, Leases(ledger.redis), BalancerSettings(), Rules())
        self._seen = seen

    def recall(self) -> Observation:
        """Devices and workers of the snapshot; what a person has closed or opened since counts."""
        self.refresh({})
        world = World(tuple(map(_reading, self._seen["devices"])), {})
        now, account = self.look((), world)
        troubles = {device.device_id: device.trouble for device in account.devices}
        return replace(
            now,
            devices=tuple(_device(device, troubles[device["device"]]) for device in self._seen["devices"]),
            workers=tuple(map(_worker, self._seen["workers"])),
        )

    def demand_of(self, run: Run, observation: Observation) -> Demand:
        """The line of the queue that the run stands in; one of its own, where it waits outside of the queue."""
        alone = QueueLine(self._ledger.group(run), 1, 0.0, (run.run_id,), run.position // RANK)
        own = self._demand(run.sweep, alone, whole_mib(observation.devices), time.time())
        return next((demand for demand in observation.demands if _are_alike(demand, own)), own)


def _are_alike(one: Demand, other: Demand) -> bool:
    return all(
        getattr(one, name) == getattr(other, name) for name in ("sweep", "signature", "exclusive", "work", "shuns")
    )


def _reading(device: Mapping[str, Any]) -> Reading:
    return Reading(
        device["device"],
        device["model"],
        device["read_at"],
        total_mib=device["total_mib"],
        free_mib=device["free_mib"],
        slots=device["slots"],
        trouble=device["trouble"],
        name=device["name"],
    )


def _device(device: Mapping[str, Any], trouble: str) -> Device:
    return _read(Device, {**device, "trouble": trouble})


def _worker(worker: Mapping[str, Any]) -> WorkerView:
    return _read(WorkerView, {**worker, "state": WorkerState(worker["state"])})


def _read(kind: type[_Seen], seen: Mapping[str, Any]) -> _Seen:
    known = {field.name for field in fields(kind)}
    named = {_FIELDS.get(key, key): value for key, value in seen.items() if value is not None}
    return kind(**{name: value for name, value in named.items() if name in known})
