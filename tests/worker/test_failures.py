"""Out of memory in the words of four libraries, and whose fault it was."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from worker.failures import DeviceError, classify, is_of_others, requested_mib
from worker.spec import DEVICE_FAULT, FailureClass

TENSORFLOW = (
    "OOM when allocating tensor with shape[8,3,512,512,64] and type float on "
    "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc"
)
JAX = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1610612736 bytes."
TORCH = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.20 GiB is free."
)


def named(name: str, message: str) -> Exception:
    return type(name, (RuntimeError,), {})(message)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.45 GiB for an array"),
        tf.errors.ResourceExhaustedError(None, None, TENSORFLOW),
        tf.errors.InternalError(None, None, "failed call to cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY"),
        tf.errors.UnknownError(None, None, "CUDNN_STATUS_ALLOC_FAILED in cudnnCreate"),
        named("XlaRuntimeError", JAX),
        named("JaxRuntimeError", JAX),
        named("OutOfMemoryError", TORCH),
        RuntimeError(TORCH),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_is_recognised_whoever_says_it(error: Exception) -> None:
    assert classify(error).kind is FailureClass.OOM


def test_what_numpy_really_raises_is_out_of_memory() -> None:
    with pytest.raises(MemoryError) as caught:
        np.ones(2**55, np.uint8)
    assert classify(caught.value).kind is FailureClass.OOM


def test_a_device_that_is_not_the_one_that_was_given_is_no_fault_of_the_run() -> None:
    failure = classify(DeviceError("sees no GPU"))
    assert failure.kind is FailureClass.INFRA
    assert failure.signature.startswith(DEVICE_FAULT)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.InternalError(None, None, "cuStreamSynchronize failed: CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable"),
        named("XlaRuntimeError", "INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"),
        named("AcceleratorError", "CUDA error: unspecified launch failure"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_gpu_that_fails_is_no_fault_of_the_run_whoever_says_it(error: Exception) -> None:
    failure = classify(error)
    assert failure.kind is FailureClass.INFRA
    assert failure.signature.startswith(f"{DEVICE_FAULT}: {type(error).__name__}")


@pytest.mark.parametrize(
    ("message", "mib"),
    [
        (TENSORFLOW, 1536),
        ("OOM when allocating tensor with shape[1024, 1024] and type half on", 2),
        ("OOM when allocating tensor with shape[] and type float on", 0),
        (JAX, 1536),
        (TORCH, 2560),
        ("Out of memory while trying to allocate 1.50GiB.", 1536),
        ("failed to allocate memory", 0),
    ],
)
def test_what_was_asked_for_is_read_from_the_message(message: str, mib: float) -> None:
    assert requested_mib(message) == pytest.approx(mib, abs=0.01)


@pytest.mark.parametrize(
    ("held", "requested", "cap", "others"),
    [
        (1000, 500, 8000, True),
        (1000, 5399, 8000, True),
        (1000, 5401, 8000, False),
        (7900, 200, 8000, False),
        (0, 500, 8000, False),
        (1000, 0, 8000, False),
        (1000, 500, 0, False),
    ],
    ids=["far below", "just clearly", "nearly", "over", "held unknown", "request unknown", "no cap"],
)
def test_only_what_is_clearly_below_the_cap_is_the_doing_of_others(
    held: float, requested: float, cap: float, others: bool
) -> None:
    assert is_of_others(held, requested, cap) is others


def test_a_full_device_is_told_from_a_full_cap() -> None:
    error = tf.errors.ResourceExhaustedError(None, None, TENSORFLOW)
    own = classify(error, held_mib=7500, cap_mib=8000)
    assert own.kind is FailureClass.OOM
    foreign = classify(error, held_mib=500, cap_mib=8000)
    assert foreign.kind is FailureClass.INFRA
    assert "device was full" in foreign.message
    assert "500 MiB at most of its 8000 MiB" in foreign.message
    assert foreign.signature == own.signature
