"""What memory there is: the port `DeviceProbe` and its adapter for machines without a GPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import psutil

from orchestrator.balancer.observation import Device

CPU = "cpu"
_MIB = 1 << 20
_SUPERVISOR_MIB = 450
"""Of the 780 MiB that a supervisor holds after its imports, what its child does not share (measured: about 400)."""
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class DeviceProbe(Protocol):
    """Reads the devices. What cannot be read is left out: it is not free."""

    def read(self) -> tuple[Device, ...]:
        """The devices as they are now."""


class CpuProbe:
    """The machine as one device: RAM as its memory, cores as its slots."""

    def __init__(self, *, slots: int = 0, reserve_mib: int = 0) -> None:
        """`slots` 0 means one per core that this process may use."""
        self._slots = slots or len(os.sched_getaffinity(0))
        self._reserve_mib = reserve_mib

    def read(self) -> tuple[Device, ...]:
        """The one CPU device; inside a container its memory is the container's."""
        memory = psutil.virtual_memory()
        total = min(memory.total, _container_limit(memory.total))
        return (
            Device(
                CPU,
                total_mib=total // _MIB,
                free_mib=min(memory.available, total) // _MIB,
                slots=self._slots,
                reserve_mib=self._reserve_mib,
                overhead_mib=_SUPERVISOR_MIB,
            ),
        )


def _container_limit(total: int) -> int:
    try:
        text = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        return total
    return int(text) if text.isdigit() else total
