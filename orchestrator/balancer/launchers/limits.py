"""What a worker's container may take of the machine, as far as the engine can limit it.

A rootless engine limits what its user was delegated, and nothing without cgroup v2. What it cannot limit it leaves out
by itself, processors excepted: it refuses a container that asks for a number of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.settings import ContainerSettings

_BESIDE_LEASE_MIB = 512
"""What the kernel counts for a container beside resident memory: pages of files, and what is below /tmp."""
_PROCESSORS = "CpuCfsQuota"
_LIMITED = {"MemoryLimit": "memory", _PROCESSORS: "processors", "PidsLimit": "processes"}


def memory_limit(lease_mib: int) -> str:
    """Memory of the container of a lease, as Docker reads it."""
    return f"{lease_mib + _BESIDE_LEASE_MIB}m"


def limits(memory: str, settings: ContainerSettings, threads: int, engine: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a container; `engine` is what `docker info` says, `threads` is what a worker computes with."""
    processors = {"nano_cpus": threads * 10**9} if engine[_PROCESSORS] else {}
    return processors | {
        "mem_limit": memory,
        "memswap_limit": memory,
        "shm_size": f"{settings.shm_mib}m",
        "pids_limit": settings.most_processes,
    }


def not_limited(engine: Mapping[str, Any]) -> list[str]:
    """What the engine cannot limit, in words."""
    return [name for key, name in _LIMITED.items() if not engine[key]]
