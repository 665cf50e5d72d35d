"""The kinds of machines that the stand-in plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NOT_SUPPORTED, FUNCTION_NOT_FOUND, UNKNOWN = 3, 13, 999


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
