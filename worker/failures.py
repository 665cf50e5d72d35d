"""What went wrong with an attempt, and what that means for the run."""

from __future__ import annotations

import math
import re
import traceback
from typing import NamedTuple

from model.errors import StoppedError
from model.units import MIB
from worker.link import RedisError
from worker.spec import DEVICE_FAULT, FailureClass


class ReleasedError(StoppedError):
    """The attempt stopped as ordered, with a checkpoint."""


class CancelledError(Exception):
    """The attempt was called off."""


class TimeLimitError(StoppedError):
    """The attempt ran longer than its sweep allows."""


class TrackingError(Exception):
    """MLflow could not be told in time."""


class DeviceError(Exception):
    """The device that the worker was given is not what the training stack sees."""


class Failure(NamedTuple):
    """A failed attempt, as reported."""

    kind: FailureClass
    signature: str
    """Exception type and last line: equal for equal failures."""
    message: str


def classify(error: BaseException, *, held_mib: int = 0, cap_mib: int = 0) -> Failure:
    """Put an exception into its class.

    On a GPU `held_mib` is the most that the allocator held and `cap_mib` what it was granted, 0 where unknown: out of
    memory far below the cap is somebody else's doing.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    name = type(error).__name__
    kind, text = _kind(error), str(error) or "no message"
    blamed = name if isinstance(error, DeviceError) or not _is_of_the_device(error) else f"{DEVICE_FAULT}: {name}"
    if kind is FailureClass.OOM and is_of_others(held_mib, requested_mib(text), cap_mib):
        kind, text = FailureClass.INFRA, f"{_not_its_own(held_mib, cap_mib)}: {text}"
    return Failure(kind, f"{blamed}{where}", f"{name}: {text}"[:2000])


def is_of_others(held_mib: float, requested_mib: float, cap_mib: float) -> bool:
    """Whether memory ran out although the allocator was clearly below its cap, so the device was full.

    Only where all three are known (not 0): an allocator loses some of its memory between blocks, and an own failure
    must not be tried again for ever.
    """
    return bool(held_mib and requested_mib and cap_mib) and held_mib + requested_mib < CLEARLY * cap_mib


def requested_mib(message: str) -> float:
    """What an out-of-memory message says was asked for, MiB; 0 where it does not."""
    if found := _SHAPE.search(message):
        numbers = [int(edge) for edge in found["shape"].split(",") if edge.strip()]
        return math.prod(numbers) * _TYPE_BYTES.get(found["type"], 4) / MIB
    if found := _AMOUNT.search(message):
        return float(found["amount"]) * _UNIT_BYTES[found["unit"].lower()] / MIB
    return 0.0


def _kind(error: BaseException) -> FailureClass:
    if isinstance(error, TimeLimitError):
        return FailureClass.TIMEOUT
    if _is_out_of_memory(error):
        return FailureClass.OOM
    if isinstance(error, TrackingError | OSError | RedisError) or _is_of_the_device(error):
        return FailureClass.INFRA
    return FailureClass.USER


def _is_out_of_memory(error: BaseException) -> bool:
    """By name and text, since the libraries that raise it are not all installed, nor their classes public."""
    named = isinstance(error, MemoryError) or type(error).__name__ in _NAMES
    return named or any(sign in str(error) for sign in _SIGNS)


def _is_of_the_device(error: BaseException) -> bool:
    return isinstance(error, DeviceError) or any(sign in str(error) for sign in _DEVICE_SIGNS)


def _not_its_own(held_mib: float, cap_mib: float) -> str:
    return f"the device was full although this run had held {held_mib:.0f} MiB at most of its {cap_mib:.0f} MiB"


CLEARLY = 0.8
"""Below this share of its cap an allocator is not hindered by it."""

_NAMES = {"ResourceExhaustedError", "OutOfMemoryError"}
"""TensorFlow's and PyTorch's."""
_SIGNS = ("RESOURCE_EXHAUSTED", "CUDA out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "STATUS_ALLOC_FAILED")
"""JAX's, and what all pass on from CUDA, cuDNN and cuBLAS."""
_DEVICE_SIGNS = (
    *("CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error", "CUDA_ERROR_HARDWARE_STACK_ERROR"),
    *("CUDA_ERROR_ILLEGAL_ADDRESS", "illegal memory access", "CUDA_ERROR_ILLEGAL_INSTRUCTION"),
    *("CUDA_ERROR_MISALIGNED_ADDRESS", "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"),
    *("CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA_ERROR_NO_DEVICE", "GPU is lost", "fallen off the bus"),
)
"""What CUDA's driver and runtime say when a GPU fails; no kernel here is a user's own."""
_SHAPE = re.compile(r"shape\[(?P<shape>[\d, ]+)\] and type (?P<type>\w+)")
_AMOUNT = re.compile(r"(?:allocate|allocating) (?P<amount>\d+(?:\.\d+)?) ?(?P<unit>bytes|[KMGT]iB)", re.IGNORECASE)
_TYPE_BYTES = {"half": 2, "bfloat16": 2, "float": 4, "double": 8, "int32": 4, "int64": 8, "bool": 1, "uint8": 1}
_UNIT_BYTES = {"bytes": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
