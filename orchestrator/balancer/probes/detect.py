"""Which probe this machine needs."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from orchestrator.balancer.probes.cpu import CGROUPS, CpuProbe
from orchestrator.balancer.probes.nvml import NvmlProbe
from orchestrator.balancer.readings import DeviceProbe
from orchestrator.errors import ServiceError
from orchestrator.settings import Devices

_log = logging.getLogger(__name__)


def probe_for(
    devices: Devices = "auto",
    *,
    slots: int = 0,
    whole_machine: bool = False,
    environment: Mapping[str, str] | None = None,
    patience_s: float = 2.5,
) -> DeviceProbe:
    """The probe of the GPUs where the driver lists at least one in time, else that of the CPU.

    Args:
        devices: `auto`; `gpu` never falls back to the CPU, and waits for a driver that will answer later; `cpu`
        slots: most workers on the CPU at once; 0 for one per core
        whole_machine: whether workers have the machine's memory where this process is held in a container's
        environment: what the process that asks the driver gets beside this process's own environment
        patience_s: how long the driver may take

    Raises:
        ServiceError: `gpu`, and there is none.
    """
    cpu = CpuProbe(slots=slots, cgroups=None if whole_machine else CGROUPS)
    if devices == "cpu":
        return cpu
    probe = NvmlProbe(environment=environment)
    why = _why_none(probe, patience_s)
    if not why:
        return probe
    if devices == "gpu" and probe.listed(0) != 0 and not probe.driver_is_missing:
        _log.warning("waiting for the NVIDIA driver: %s", why)
        return probe
    probe.close()
    if devices == "gpu":
        raise ServiceError(f"no GPU was found: {why}; HDSMLM_DEVICES=cpu asks for the CPU instead")
    _log.warning("no GPU, so the CPU it is: %s", why)
    return cpu


def _why_none(probe: NvmlProbe, patience_s: float) -> str:
    """Wait for the first reading of the GPUs; empty where there are any, else why there are none."""
    deadline = time.monotonic() + patience_s
    listed = probe.listed(patience_s)
    if listed:
        probe.wait_for_polls(1, deadline - time.monotonic())
        return ""
    return "the driver lists no GPU" if listed == 0 else probe.driver_trouble or f"no answer within {patience_s} s"
