"""The state that the stand-in library and its controllers share, as `nvml_stand_in.c` declares it."""

from __future__ import annotations

import ctypes
from typing import Final

MAGIC: Final = 0x4E564D4C
MAX_DEVICES: Final = 64
MAX_PROCESSES: Final = 32
MAX_FAULTS: Final = 64
MAX_FUNCTIONS: Final = 96
MAX_EVENTS: Final = 64
RETURN_CODE, HANG, CRASH = range(3)
COMPUTE, GRAPHICS, MPS = 1, 2, 4
"""Lists of processes."""


class Process(ctypes.Structure):
    _fields_ = (("pid", ctypes.c_uint32), ("lists", ctypes.c_uint32), ("bytes", ctypes.c_uint64))


class Memory(ctypes.Structure):
    _fields_ = (("foreign", ctypes.c_uint64), ("processes", Process * MAX_PROCESSES))


class Device(ctypes.Structure):
    _fields_ = (
        ("uuid", ctypes.c_char * 96),
        ("name", ctypes.c_char * 96),
        ("total", ctypes.c_uint64),
        ("reserved", ctypes.c_uint64),
        ("now", Memory),
        ("frozen", Memory),
        ("parent", ctypes.c_int32),
        ("present", ctypes.c_uint32),
        ("is_frozen", ctypes.c_uint32),
        ("mig_mode", ctypes.c_uint32),
        ("instance", ctypes.c_uint32),
        ("hides_process_memory", ctypes.c_uint32),
        ("shows_container_pids", ctypes.c_uint32),
        ("utilisation", ctypes.c_uint32),
        ("temperature", ctypes.c_uint32),
        ("compute_mode", ctypes.c_uint32),
        ("persistence", ctypes.c_uint32),
        ("has_ecc", ctypes.c_uint32),
        ("uncorrected_errors", ctypes.c_uint32),
        ("rows_corrected", ctypes.c_uint32),
        ("rows_uncorrected", ctypes.c_uint32),
        ("rows_pending", ctypes.c_uint32),
        ("rows_failed", ctypes.c_uint32),
        ("pages_pending", ctypes.c_uint32),
    )


class Fault(ctypes.Structure):
    _fields_ = (
        ("function", ctypes.c_char * 64),
        ("device", ctypes.c_int32),
        ("code", ctypes.c_int32),
        ("action", ctypes.c_uint32),
        ("enabled", ctypes.c_uint32),
        ("after", ctypes.c_uint64),
        ("times", ctypes.c_uint64),
        ("seen", ctypes.c_uint64),
        ("latency_s", ctypes.c_double),
    )


class Event(ctypes.Structure):
    _fields_ = (
        ("device", ctypes.c_int32),
        ("instance", ctypes.c_uint32),
        ("type", ctypes.c_uint64),
        ("data", ctypes.c_uint64),
    )


class Function(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 64),
        ("claimed", ctypes.c_uint32),
        ("named", ctypes.c_uint32),
        ("calls", ctypes.c_uint64 * (MAX_DEVICES + 1)),
    )


class State(ctypes.Structure):
    _fields_ = (
        ("magic", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("sequence", ctypes.c_uint32),
        ("generation", ctypes.c_uint32),
        ("count_override", ctypes.c_int32),
        ("events_written", ctypes.c_uint32),
        ("driver_version", ctypes.c_char * 80),
        ("events", Event * MAX_EVENTS),
        ("faults", Fault * MAX_FAULTS),
        ("functions", Function * MAX_FUNCTIONS),
        ("devices", Device * MAX_DEVICES),
    )
