"""The machine itself as one device, where there is no GPU: RAM as its memory, cores as its slots."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from model.units import MIB
from orchestrator.balancer.readings import Reading
from worker.spec import CPU_DEVICE, CPU_MODEL

CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


class CpuProbe:
    """Reads the memory that workers share with this process."""

    def __init__(self, *, slots: int = 0, cgroups: Path | None = CGROUPS) -> None:
        """`slots` 0 means one per core that this process may use; without `cgroups` no container's limit counts."""
        self._slots = slots or _cores()
        self._cgroups = cgroups

    def read(self) -> tuple[Reading, ...]:
        """The one device as it is now."""
        total_mib, free_mib = machine_memory(self._cgroups)
        return (Reading(CPU_DEVICE, CPU_MODEL, time.time(), total_mib, free_mib, slots=self._slots, name=CPU_DEVICE),)

    def forgive(self, device_id: str) -> None:
        """Nothing rules the machine's memory out."""

    def close(self) -> None:
        """There is nothing to stop."""


def _cores() -> int:
    """Those that this process may use, where the system tells; macOS does not."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_memory(cgroups: Path | None = CGROUPS) -> tuple[int, int]:
    """Memory that this process could ever have and what is free of it now, MiB: the machine's or its container's.

    Page cache that the kernel would give back counts as free, as in the kernel's own MemAvailable.
    """
    machine = psutil.virtual_memory()
    total, free = machine.total, machine.available
    for limit, used in _limits(cgroups) if cgroups else ():
        total = min(total, limit)
        free = min(free, limit - used)
    return total // MIB, max(0, min(free, total)) // MIB


def _limits(cgroups: Path) -> Iterator[tuple[int, int]]:
    for folder in _groups(cgroups):
        with contextlib.suppress(OSError, ValueError):
            limit = int((folder / "memory.max").read_text())
            used = int((folder / "memory.current").read_text())
            yield limit, used - _cache(folder, "inactive_file")
    for folder in _groups(cgroups / "memory"):
        with contextlib.suppress(OSError, ValueError):
            limit = int((folder / "memory.limit_in_bytes").read_text())
            used = int((folder / "memory.usage_in_bytes").read_text())
            yield limit, used - _cache(folder, "total_inactive_file")


def _groups(root: Path) -> Iterator[Path]:
    """The group of this process and those around it; where the groups are a container's own, only its root is found."""
    yield root
    with contextlib.suppress(OSError):
        for line in _OWN_GROUPS.read_text().splitlines():
            path = Path(line.split(":", 2)[2].lstrip("/"))
            yield from (root / part for part in (path, *path.parents) if part != Path("."))


def _cache(folder: Path, key: str) -> int:
    words = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return next((int(value) for name, value in words if name == key), 0)
