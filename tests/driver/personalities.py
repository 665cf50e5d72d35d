"""The kinds of machines that the stand-in plays."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.driver import layout

NOT_SUPPORTED, UNKNOWN = 3, 999
_MIB = 1 << 20


@dataclass(frozen=True)
class Personality:
    """One kind of machine; memory in MiB."""

    model: str
    total_mib: int
    reserved_mib: int
    gpus: int
    has_ecc: bool = False
    refuses: Mapping[str, int] = field(default_factory=dict)
    """What functions always answer, by their names."""
    hides_process_memory: bool = False
    instances: tuple[tuple[str, int], ...] = ()
    """MIG instances of each GPU: profile and memory."""


PERSONALITIES: Mapping[str, Personality] = {
    "data_centre": Personality("NVIDIA H100 80GB HBM3", 81_559, 551, gpus=8, has_ecc=True),
    "workstation": Personality("NVIDIA GeForce RTX 4090", 24_564, 424, gpus=2),
    "wsl2": Personality(
        "NVIDIA GeForce RTX 4080",
        16_376,
        342,
        gpus=1,
        refuses={"nvmlDeviceGetMemoryInfo_v2": UNKNOWN, "nvmlDeviceRegisterEvents": NOT_SUPPORTED},
        hides_process_memory=True,
    ),
    "mig": Personality(
        "NVIDIA H100 80GB HBM3",
        81_559,
        551,
        gpus=1,
        has_ecc=True,
        instances=(("3g.40gb", 40_448), ("1g.10gb", 9_856), ("1g.10gb", 9_856)),
    ),
    "unified": Personality(
        "NVIDIA GB10",
        122_572,
        0,
        gpus=1,
        refuses={"nvmlDeviceGetMemoryInfo": NOT_SUPPORTED, "nvmlDeviceGetMemoryInfo_v2": NOT_SUPPORTED},
    ),
}

DRIVERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "current": ("580.95.05", ()),
    "535.98": ("535.98", ("-DWITHOUT_PROCESSES_V3",)),
    "470": ("470.256.02", ("-DWITHOUT_PROCESSES_V3", "-DWITHOUT_MEMORY_V2")),
}
"""Version and compiler flags of each generation of the driver."""


def blank(kind: Personality, gpus: int, version: str) -> layout.State:
    """A machine of the kind on which nothing runs; `version` is its driver's."""
    state = layout.State(layout.MAGIC, 0, 0, 1, -1, 0, version.encode())
    state.size = len(bytes(state))
    place = 0
    for _ in range(gpus):
        parent = place
        state.devices[place] = _gpu(kind, place)
        for number, (profile, mib) in enumerate(kind.instances, start=1):
            place += 1
            state.devices[place] = _instance(kind, place, parent, number, profile, mib)
        place += 1
    return state


def _gpu(kind: Personality, place: int) -> layout.Device:
    device = _device(_uuid("GPU", place), kind.model, kind.total_mib, kind)
    device.reserved = kind.reserved_mib * _MIB
    device.mig_mode = bool(kind.instances)
    device.parent = -1
    return device


def _instance(kind: Personality, place: int, parent: int, number: int, profile: str, total_mib: int) -> layout.Device:
    device = _device(_uuid("MIG", place), f"{kind.model} MIG {profile}", total_mib, kind)
    device.instance = number
    device.parent = parent
    return device


def _device(device_id: str, name: str, total_mib: int, kind: Personality) -> layout.Device:
    device = layout.Device(device_id.encode(), name.encode(), total_mib * _MIB)
    device.present = device.persistence = 1
    device.temperature = 40
    device.has_ecc = kind.has_ecc
    device.hides_process_memory = kind.hides_process_memory
    return device


def _uuid(prefix: str, place: int) -> str:
    return f"{prefix}-{uuid.uuid5(uuid.NAMESPACE_OID, f'stand-in {place}')}"
