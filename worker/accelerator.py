"""How a run on a GPU takes no more of it than its cap: it tells the backend's allocator, before the first operation.

Called in the forked child only: CUDA cannot be used in a child once its parent has touched it. What is set here was
read in the sources and documents of the three libraries and is unproven on a GPU.

- TensorFlow: a logical device with a limit; it grows up to it because the environment says so, since growth cannot be
  asked of a logical device by call. cuDNN's workspace counts against the limit.
- JAX reads the environment when its first array is made. Without preallocation the share is a bound; it has a newer
  name, which older releases do not know, and setting both is an error.
- PyTorch: a share of the device.

Where Keras does not run on TensorFlow, tf.data still does, and is kept off the GPU.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from model.units import MIB
from worker.failures import DeviceError
from worker.spec import CPU_DEVICE

_TENSORFLOW = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CUDNN_WORKSPACE_LIMIT_IN_MB": "1024"}
_JAX = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
_JAX_SHARE, _JAX_SHARE_RENAMED = "XLA_PYTHON_CLIENT_MEM_FRACTION", "XLA_CLIENT_MEM_FRACTION"


def cap_accelerator(device: str, cap_mib: int, backend: str = "tensorflow") -> None:
    """Keep this process within `cap_mib` of the GPU `device`; nothing on a CPU, no limit where the cap is 0.

    Raises:
        DeviceError: the backend does not see exactly one GPU.
    """
    if device != CPU_DEVICE:
        _CAPS[backend](device, cap_mib)


def share_of(cap_mib: int, total_mib: int) -> float:
    """The cap as a share of the device, rounded down to 1e-6 so that it grants no more; 1 where there is no cap."""
    return min(cap_mib * 1_000_000 // total_mib / 1_000_000, 1.0) if cap_mib else 1.0


def the_only(devices: Sequence[Any], device: str) -> Any:
    """The one GPU that the worker was given.

    Raises:
        DeviceError: there is none, or more than one.
    """
    if len(devices) != 1:
        raise DeviceError(
            f"the worker was given GPU {device} and the training stack sees {len(devices)} GPUs; check that "
            "CUDA_VISIBLE_DEVICES holds this UUID alone, that the container was given the device, that `nvidia-smi` "
            "lists it and that the stack is built for the driver's CUDA"
        )
    return devices[0]


def _cap_tensorflow(device: str, cap_mib: int) -> None:
    os.environ |= _TENSORFLOW
    config = importlib.import_module("tensorflow").config
    gpu = the_only(config.list_physical_devices("GPU"), device)
    limits = [config.LogicalDeviceConfiguration(memory_limit=cap_mib or None)]
    config.set_logical_device_configuration(gpu, limits)


def _cap_jax(device: str, cap_mib: int) -> None:
    _keep_tensorflow_off()
    os.environ |= {**_JAX, _JAX_SHARE: str(share_of(cap_mib, _total_mib(device)))}
    os.environ.pop(_JAX_SHARE_RENAMED, None)
    jax = importlib.import_module("jax")
    the_only([found for found in jax.local_devices() if found.platform == "gpu"], device)


def _cap_torch(device: str, cap_mib: int) -> None:
    _keep_tensorflow_off()
    cuda = importlib.import_module("torch").cuda
    gpu = the_only(range(cuda.device_count()), device)
    cuda.set_per_process_memory_fraction(share_of(cap_mib, cuda.get_device_properties(gpu).total_memory // MIB), gpu)


def _keep_tensorflow_off() -> None:
    importlib.import_module("tensorflow").config.set_visible_devices([], "GPU")


def _total_mib(device: str) -> int:
    """From the driver, since JAX tells only when it is too late.

    Raises:
        DeviceError: the driver does not know the device.
    """
    nvml = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
        total = int(nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByUUID(device)).total)
        nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        raise DeviceError(f"the driver does not tell how much memory GPU {device} has: {error}") from error
    return total // MIB


_CAPS: dict[str, Callable[[str, int], Any]] = {"tensorflow": _cap_tensorflow, "jax": _cap_jax, "torch": _cap_torch}
