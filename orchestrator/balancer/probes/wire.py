"""What the child that asks the driver tells its parent: JSON, one object a line, in the order of the events.

{"awake": …}     the child runs, and is about to call the driver
{"hello": …}     the driver answers, and lists so many GPUs
{"about": …}     the next call is about this GPU; whatever happens now is its doing
{"device": …}    one device has been read: `Facts`
{"xid": …}       the driver reported an error of a GPU
{"polled": …}    all devices have been read: the ids of those that there are
{"failed": …}    the driver does not answer; the child ends
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """One device in one poll, as the driver tells it; judged by nobody yet. None is what it did not tell."""

    device_id: str
    gpu_id: str
    """UUID of the whole GPU; for a GPU without MIG instances, the device's own."""
    name: str
    model: str
    at: float
    """When its memory was read, s since the epoch."""
    error: int = 0
    """NVML's code for why there is no memory to tell; 0 where there is."""
    total_mib: int = 0
    free_mib: int = 0
    driver_reserved_mib: int = 0
    unified: bool = False
    """Whether its memory is the machine's, which the driver does not tell."""
    processes: Mapping[int, int] | None = None
    """Memory of each process by its pid, MiB."""
    utilisation: int | None = None
    temperature_c: int | None = None
    compute_mode: int = 0
    uncorrected_errors: int = 0
    """Since the driver was started."""
    repair_pending: bool = False
    """Whether rows of its memory are to be remapped, or pages retired, at the next reset."""
    repair_failed: bool = False


@dataclass(frozen=True)
class Line:
    """One thing that the child said; only what it is about is set."""

    awake: bool = False
    hello: int | None = None
    """Number of GPUs that the driver lists."""
    about: str = ""
    device: Facts | None = None
    xid: int = 0
    gpu: str = ""
    """UUID of the GPU with that Xid; empty where the driver did not say."""
    polled: tuple[str, ...] | None = None
    failed: int = 0
    """NVML's code."""


def encode(line: Line) -> str:
    """The line without its end; what is not set is left out."""
    unset = asdict(Line())
    return json.dumps({name: value for name, value in asdict(line).items() if value != unset[name]})


def decode(text: str) -> Line | None:
    """What was said; None where this is no such line, as the last one of a child that was killed."""
    try:
        said = json.loads(text)
        device = said.get("device")
        polled = said.get("polled")
        return Line(
            **{
                **said,
                "device": None if device is None else _facts(device),
                "polled": None if polled is None else tuple(polled),
            }
        )
    except (ValueError, TypeError, AttributeError):
        return None


def _facts(said: dict[str, Any]) -> Facts:
    processes = said.get("processes")
    by_pid = None if processes is None else {int(pid): mib for pid, mib in processes.items()}
    return Facts(**{**said, "processes": by_pid})
