"""What a probe of several GPUs says, and the child that it asks."""

from __future__ import annotations

import time

import psutil

from orchestrator.balancer.probes.nvml import NvmlProbe
from orchestrator.balancer.readings import Reading
from tests.driver.waiting import eventually


def by_name(probe: NvmlProbe) -> dict[str, Reading]:
    return {found.name: found for found in probe.read()}


def in_trouble(probe: NvmlProbe) -> set[str]:
    return {found.name for found in probe.read() if found.trouble}


def goes_on(probe: NvmlProbe, *names: str) -> None:
    """Wait until these devices have been read anew, and are well."""
    since = time.time()
    eventually(lambda: all(by_name(probe)[name].at > since and not by_name(probe)[name].trouble for name in names))


def asker() -> psutil.Process:
    """The child that asks the driver."""
    (child,) = (found for found in psutil.Process().children() if "nvml_child" in " ".join(found.cmdline()))
    return child
