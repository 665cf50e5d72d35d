"""How much memory this process holds at most: the one quantity that caps, measured peaks and `model.footprint` share.

On a CPU it is resident memory. A forked child shares pages with its supervisor, and they count in full, since it is the
two together that a lease pays for; the kernel starts a child's peak at what it holds when it is forked, not at its
parent's. On a GPU it is what the backend's allocator gave out (unproven: no GPU was at hand).
"""

from __future__ import annotations

import ctypes
import importlib
import resource
import sys
from collections.abc import Callable
from typing import Any

from model.units import MIB
from worker.spec import CPU_DEVICE

_ARENAS, _ON_ITS_OWN_BYTES, _TRIM_BYTES = 2, MIB, 16 * MIB
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def steady_allocator() -> bool:
    """Make glibc return large blocks as soon as they are freed; whether it could be told.

    By default it keeps blocks of up to 32 MiB once it has seen one freed, so that equal runs peak up to 5 % apart.
    Holds for this process and its forks, from the next allocation on.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = {_M_ARENA_MAX: _ARENAS, _M_MMAP_THRESHOLD: _ON_ITS_OWN_BYTES, _M_TRIM_THRESHOLD: _TRIM_BYTES}
    return bool(sum(mallopt(option, value) for option, value in options.items()) == len(options))


def peak_mib(device: str = CPU_DEVICE, backend: str = "tensorflow") -> int:
    """The most that this process has held on `device`, MiB; 0 where the backend does not tell."""
    if device == CPU_DEVICE:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // (MIB if sys.platform == "darwin" else 1024)
    return _PEAK_BYTES[backend]() // MIB


def _tensorflow_bytes() -> int:
    config = importlib.import_module("tensorflow").config
    return int(config.experimental.get_memory_info("GPU:0")["peak"]) if config.list_logical_devices("GPU") else 0


def _jax_bytes() -> int:
    statistics: dict[str, Any] = importlib.import_module("jax").local_devices()[0].memory_stats() or {}
    return int(statistics.get("peak_bytes_in_use", 0))


def _torch_bytes() -> int:
    return int(importlib.import_module("torch").cuda.max_memory_allocated(0))


_PEAK_BYTES: dict[str, Callable[[], int]] = {
    "tensorflow": _tensorflow_bytes,
    "jax": _jax_bytes,
    "torch": _torch_bytes,
}
