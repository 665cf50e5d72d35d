"""One device as the driver tells it: its memory and its processes; runs in the child.

What the driver refuses is None, save for memory: without it the device is in error. The budget is one memory call a
poll, and the lists of processes only every few seconds, or when the memory has changed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from model.units import MIB
from orchestrator.balancer.probes.wire import Facts

_NOT_SUPPORTED, _INSUFFICIENT_SIZE, _FUNCTION_NOT_FOUND, _ARGUMENT_VERSION_MISMATCH, _UNKNOWN = 3, 7, 13, 25, 999
_LOST = frozenset({15, 16})
_NO_SECOND_VERSION = frozenset({_NOT_SUPPORTED, _FUNCTION_NOT_FOUND, _ARGUMENT_VERSION_MISMATCH, _UNKNOWN})
_MEMORY_V2 = 0x02000028
_MOVED_MIB = 64
_LISTS = ("Compute", "Graphics", "MPSCompute")
"""The driver's lists of processes; those of a desktop and of clients of MPS may stand in one of the others alone."""


class RefusedError(Exception):
    """The driver answered with an error: NVML's code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"NVML error {code}")
        self.code = code


@dataclass(frozen=True)
class Driver:
    """NVML, by the names of its functions."""

    ask: Callable[..., Any]
    """`ask(function, *arguments)` returns the answer or raises `RefusedError`."""

    def maybe(self, function: str, *arguments: Any, default: Any = None) -> Any:
        """The answer, or the default where the driver refuses.

        Raises:
            RefusedError: it refuses because the GPU is lost.
        """
        try:
            return self.ask(function, *arguments)
        except RefusedError as refusal:
            if refusal.code in _LOST:
                raise
            return default


@dataclass
class Part:
    """What workers can be given: a whole GPU, or one MIG instance."""

    device_id: str
    name: str
    model: str
    handle: Any
    memory_version: int = 2
    """Of the memory call that works here; 0 where none does, because the memory is the machine's."""
    reserved_mib: int = 0
    processes: dict[int, int] | None = None
    listed_at: float = float("-inf")
    listed_used_mib: int = 0

    def read(self, driver: Driver, blank: Facts, *, list_every_s: float) -> Facts:
        """The blank filled in."""
        try:
            memory = self._memory(driver)
            facts = replace(blank, at=time.time(), unified=memory is None, **_in_mib(memory, self.reserved_mib))
            return replace(facts, processes=self._listed(driver, facts, list_every_s))
        except RefusedError as refusal:
            return replace(blank, error=refusal.code)

    def _memory(self, driver: Driver) -> Any | None:
        if self.memory_version == 2:
            try:
                memory = driver.ask("nvmlDeviceGetMemoryInfo", self.handle, _MEMORY_V2)
                self.reserved_mib = memory.reserved // MIB
                return memory if memory.total else None
            except RefusedError as refusal:
                if refusal.code not in _NO_SECOND_VERSION:
                    raise
        return self._memory_of_old_drivers(driver) if self.memory_version else None

    def _memory_of_old_drivers(self, driver: Driver) -> Any | None:
        try:
            memory = driver.ask("nvmlDeviceGetMemoryInfo", self.handle)
            self.memory_version = 1
            return memory if memory.total else None
        except RefusedError as refusal:
            if refusal.code != _NOT_SUPPORTED:
                raise
            self.memory_version = 0
            return None

    def _listed(self, driver: Driver, facts: Facts, list_every_s: float) -> dict[int, int] | None:
        used_mib = facts.total_mib - facts.free_mib
        moved = abs(used_mib - self.listed_used_mib) > _MOVED_MIB
        if moved or time.monotonic() >= self.listed_at + list_every_s:
            self.processes = _believed(*(self._entries(driver, kind) for kind in _LISTS), total_mib=facts.total_mib)
            self.listed_at = time.monotonic()
            self.listed_used_mib = used_mib
        return self.processes

    def _entries(self, driver: Driver, kind: str) -> list[Any] | None:
        for version in ("v3", "v3", "v2", "v2"):
            try:
                return list(driver.ask(f"nvmlDeviceGet{kind}RunningProcesses_{version}", self.handle))
            except RefusedError as refusal:
                if refusal.code in _LOST:
                    raise
                if refusal.code not in (_INSUFFICIENT_SIZE, _FUNCTION_NOT_FOUND):
                    return None
        return None


def _in_mib(memory: Any | None, reserved_mib: int) -> dict[str, Any]:
    if memory is None:
        return {}
    mib = {"total_mib": memory.total // MIB, "free_mib": memory.free // MIB}
    return {**mib, "driver_reserved_mib": reserved_mib}


def _believed(computing: list[Any] | None, *others: list[Any] | None, total_mib: int) -> dict[int, int] | None:
    """Memory by pid; None where the list of those that compute shows that the driver does not really tell.

    WSL2 hides the memory of processes. In a container some drivers list pids of the container, with memory 0. Some
    releases fill the list with garbage. A process that stands in several lists has the same memory in each.
    """
    if computing is None or not all(entry.usedGpuMemory for entry in computing):
        return None
    by_pid: dict[int, int] = {}
    for entries in (computing, *others):
        listed = Counter[int]()
        for entry in entries or ():
            listed[entry.pid] += (entry.usedGpuMemory or 0) // MIB
        by_pid |= {pid: mib for pid, mib in listed.items() if mib > by_pid.get(pid, 0)}
    return None if total_mib and sum(by_pid.values()) > total_mib else by_pid
