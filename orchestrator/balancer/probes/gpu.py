"""One GPU as the driver tells it: its health, and its parts; runs in the child."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.balancer.probes.part import Driver, Part, RefusedError
from orchestrator.balancer.probes.wire import Facts

_CORE, _UNCORRECTED, _SINCE_START = 0, 1, 0
_MODEL = "NVIDIA GPU"


@dataclass
class Gpu:
    """One GPU, whether it answers or not."""

    gpu_id: str
    name: str
    handle: Any
    parts: list[Part] = field(default_factory=list)
    error: int = 0
    """NVML's code for why it could not be read the last time."""
    _health: dict[str, Any] = field(default_factory=dict)
    _health_at: float = float("-inf")

    def read(self, driver: Driver, *, slow_every_s: float) -> Iterator[Facts]:
        """Each of its parts; lists of processes and health are asked for every `slow_every_s`."""
        shared: dict[str, Any] = {}
        try:
            shared = self._shared(driver, slow_every_s)
            self.error = 0
        except RefusedError as refusal:
            self.error = refusal.code
        for part in self.parts:
            blank = Facts(part.device_id, self.gpu_id, part.name, part.model, time.time(), self.error, **shared)
            facts = blank if self.error else part.read(driver, blank, list_every_s=slow_every_s)
            self.error = self.error or facts.error
            yield facts

    def find_parts(self, driver: Driver) -> None:
        """The GPU itself, or its MIG instances where it is split."""
        known = {part.device_id: part for part in self.parts}
        try:
            found = self._found(driver)
        except RefusedError:
            found = self.parts or [Part(self.gpu_id, self.name, _MODEL, self.handle)]
        self.parts = [_updated(known.get(part.device_id, part), part) for part in found]

    def _found(self, driver: Driver) -> list[Part]:
        if not driver.maybe("nvmlDeviceGetMigMode", self.handle, default=(0, 0))[0]:
            model = driver.maybe("nvmlDeviceGetName", self.handle, default=_MODEL)
            return [Part(self.gpu_id, self.name, model, self.handle)]
        most = driver.maybe("nvmlDeviceGetMaxMigDeviceCount", self.handle, default=0)
        return [part for number in range(most) if (part := self._instance(driver, number))]

    def _instance(self, driver: Driver, number: int) -> Part | None:
        handle = driver.maybe("nvmlDeviceGetMigDeviceHandleByIndex", self.handle, number)
        device_id = handle and driver.maybe("nvmlDeviceGetUUID", handle)
        if not device_id:
            return None
        model = driver.maybe("nvmlDeviceGetName", handle, default=_MODEL)
        return Part(device_id, f"{self.name}/mig{number}", model, handle)

    def _shared(self, driver: Driver, slow_every_s: float) -> dict[str, Any]:
        if time.monotonic() >= self._health_at + slow_every_s:
            self._health = self._slow(driver)
            self._health_at = time.monotonic()
        rates = driver.maybe("nvmlDeviceGetUtilizationRates", self.handle)
        celsius = driver.maybe("nvmlDeviceGetTemperature", self.handle, _CORE)
        return {**self._health, "utilisation": rates and rates.gpu, "temperature_c": celsius}

    def _slow(self, driver: Driver) -> dict[str, Any]:
        rows = driver.maybe("nvmlDeviceGetRemappedRows", self.handle, default=(0, 0, 0, 0))
        pages = driver.maybe("nvmlDeviceGetRetiredPagesPendingStatus", self.handle, default=0)
        errors = ("nvmlDeviceGetTotalEccErrors", self.handle, _UNCORRECTED, _SINCE_START)
        return {
            "compute_mode": driver.maybe("nvmlDeviceGetComputeMode", self.handle, default=0),
            "uncorrected_errors": driver.maybe(*errors, default=0),
            "repair_pending": bool(rows[2] or pages),
            "repair_failed": bool(rows[3]),
        }


def _updated(part: Part, found: Part) -> Part:
    part.name, part.model, part.handle = found.name, found.model, found.handle
    return part
