"""What a driver says of the devices: the port `DeviceProbe` and the value `Reading`.

A reading is of one device at one moment. What could not be read is None or absent, never zero; a device that was there
before and is not any more stays in the list, with its trouble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Reading:
    """One device as it was at one moment; memory in MiB."""

    device_id: str
    """UUID of a GPU (GPU-…) or of a MIG instance (MIG-…); `cpu` for the machine's memory."""
    model: str
    """Name of the product, such as NVIDIA H100 80GB HBM3; footprints are learned for each."""
    at: float
    """When it was read, s since the epoch."""
    total_mib: int
    free_mib: int
    slots: int = 0
    """Most workers that the device bears at once; 0: the device sets no limit."""
    driver_reserved_mib: int = 0
    """Of the total, what the driver keeps for itself."""
    processes: Mapping[int, int] | None = None
    """Memory of each process by its host pid; None where the driver does not tell."""
    utilisation: int | None = None
    """Share of the last second in which the device computed, %."""
    temperature_c: int | None = None
    trouble: str = ""
    """Why no worker may start here, in words for people; empty while the device is well."""
    unified: bool = False
    """Whether it shares the machine's memory, and has none of its own."""
    name: str = ""
    """What people call it, such as gpu0; empty: the id itself."""
    gpu: str = ""
    """UUID of the whole GPU that it is, or is a part of."""


class DeviceProbe(Protocol):
    """Reads the devices in the background; a probe that hangs or dies takes nothing down with it."""

    def read(self) -> tuple[Reading, ...]:
        """The newest reading of every device that was ever seen, at once; old ones where the driver does not answer."""

    def forgive(self, device_id: str) -> None:
        """Use a device again that an error has ruled out; without effect on one that is well."""

    def close(self) -> None:
        """Stop reading."""
