"""Arithmetic of one device's memory, MiB: what may be given out now, and what could be at best."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.balancer.observation import Device, WorkerView

LEASE_STEP_MIB = 64


def headroom_mib(device: Device, workers: Iterable[WorkerView]) -> int:
    """Memory of the device that may be leased now; negative when too much is promised."""
    here = [worker for worker in workers if worker.device_id == device.device_id]
    leased = sum(worker.lease_mib for worker in here)
    outstanding = sum(max(0, worker.lease_mib - worker.observed_mib) for worker in here)
    return min(device.free_mib - outstanding - device.growth_mib, promised_mib(device, leased)) - safety_mib(device)


def promised_mib(device: Device, leased_mib: int) -> int:
    """What the leases leave of the device."""
    return device.total_mib - device.reserve_mib - device.foreign_mib - leased_mib


def safety_mib(device: Device) -> int:
    """Memory left alone on every device."""
    return device.safety_mib or max(256, device.total_mib // 100)


def capacity_mib(device: Device) -> int:
    """The largest cap that a run could ever have on the device, alone and without foreigners."""
    return device.total_mib - device.reserve_mib - device.overhead_mib - safety_mib(device)


def lease_mib(device: Device, cap_mib: int) -> int:
    """The lease for a cap, rounded up where the device has so much."""
    least = cap_mib + device.overhead_mib
    rounded = -(-least // LEASE_STEP_MIB) * LEASE_STEP_MIB
    return max(least, min(rounded, capacity_mib(device) + device.overhead_mib))
