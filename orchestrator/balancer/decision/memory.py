"""Arithmetic of one device's memory, MiB: what may be given out now, and what could be at best."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.balancer.decision.observation import Device, WorkerView
from worker.spec import CPU_DEVICE

LEASE_STEP_MIB = 64


def headroom_mib(device: Device, workers: Iterable[WorkerView]) -> int:
    """Memory of the device that may be leased now; negative when too much is promised."""
    here = [worker for worker in workers if worker.device_id == device.device_id]
    return min(physical_mib(device, here), promised_mib(device, here))


def physical_mib(device: Device, here: Iterable[WorkerView]) -> int:
    """What is free of the device, and promised to none of the workers there; less what is left alone."""
    outstanding = sum(max(0, worker.lease_mib - worker.observed_mib) for worker in here)
    return device.free_mib - outstanding - device.growth_mib - safety_mib(device)


def promised_mib(device: Device, here: Iterable[WorkerView]) -> int:
    """What the leases of the workers there leave of the device; less what is left alone."""
    leased = sum(worker.lease_mib for worker in here)
    return device.total_mib - device.reserve_mib - device.foreign_mib - leased - safety_mib(device)


def safety_mib(device: Device) -> int:
    """Memory left alone on every device."""
    return device.safety_mib or max(256, device.total_mib // 100)


def capacity_mib(device: Device) -> int:
    """The largest cap that a run could ever have on the device, alone and without foreigners."""
    return device.total_mib - device.reserve_mib - device.overhead_mib - safety_mib(device)


def whole_mib(devices: Iterable[Device]) -> dict[str, int]:
    """The largest cap that a device of each model could give."""
    return {device.model: capacity_mib(device) for device in sorted(devices, key=capacity_mib)}


def lease_mib(device: Device, cap_mib: int) -> int:
    """The lease for a cap, rounded up where the device has so much."""
    least = cap_mib + device.overhead_mib
    rounded = -(-least // LEASE_STEP_MIB) * LEASE_STEP_MIB
    return max(least, min(rounded, capacity_mib(device) + device.overhead_mib))


def parked_mib(device: Device, worker: WorkerView) -> int:
    """Lease of a worker without a run: what it holds beside one, which on a GPU is nothing."""
    return min(worker.lease_mib, device.overhead_mib if device.device_id == CPU_DEVICE else 0)


def returning_mib(device: Device, worker: WorkerView | None) -> int:
    """What the last run of an idle worker still held when the device was read.

    Its next run gets that back, as it begins only after the last one's process has ended; to others it counts when it
    is seen free.
    """
    return max(0, worker.observed_mib - parked_mib(device, worker)) if worker else 0
