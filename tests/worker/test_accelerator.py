"""What is asked of the backends before the first operation; there need be no GPU for these."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from typing import Any

import pytest

from worker.accelerator import cap_accelerator, share_of, the_only
from worker.failures import DeviceError

GPU = "GPU-8f6d0f5e-1111-2222-3333-444455556666"

PRETEND = """
import os
import tensorflow as tf
from tensorflow.python.eager import context
from worker.accelerator import cap_accelerator
pretended = [context.PhysicalDevice("/physical_device:GPU:0", "GPU")]
given = []
tf.config.list_physical_devices = lambda kind: pretended
tf.config.set_logical_device_configuration = lambda device, limits: given.append((device.name, limits))
cap_accelerator("GPU-1", 4096)
print(given, os.environ["TF_FORCE_GPU_ALLOW_GROWTH"], os.environ["TF_CUDNN_WORKSPACE_LIMIT_IN_MB"])
print("untouched" if not context.context()._initialized else "initialised")
"""

ONCE = """
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.constant(1) + 1
print(len(tf.config.list_logical_devices("CPU")))
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()])
"""


def answer(program: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that is put back."""
    for name in list(os.environ):
        if name.startswith(("TF_", "XLA_")):
            monkeypatch.delenv(name)
    for name in ("TF_FORCE_GPU_ALLOW_GROWTH", "TF_CUDNN_WORKSPACE_LIMIT_IN_MB", "XLA_PYTHON_CLIENT_PREALLOCATE"):
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.9")
    return monkeypatch


def test_a_worker_on_a_cpu_asks_nothing_of_any_backend() -> None:
    before = dict(os.environ)
    cap_accelerator("cpu", 1000, "a backend that there is not")
    assert dict(os.environ) == before


def test_a_worker_whose_gpu_tensorflow_does_not_see_refuses_to_train_on_the_cpu(
    environment: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(DeviceError, match=rf"{GPU}.*sees 0 GPUs.*CUDA_VISIBLE_DEVICES"):
        cap_accelerator(GPU, 1000)


def test_more_than_one_gpu_is_refused_too() -> None:
    with pytest.raises(DeviceError, match="sees 2 GPUs"):
        the_only(["a", "b"], GPU)


def test_tensorflow_is_given_the_limit_before_it_touches_the_device() -> None:
    done = answer(PRETEND)
    assert done.returncode == 0, done.stderr
    given, state = done.stdout.splitlines()
    assert "/physical_device:GPU:0" in given
    assert "memory_limit=4096" in given
    assert given.endswith("true 1024")
    assert state == "untouched"


def test_tensorflow_takes_a_logical_device_before_the_first_operation_only() -> None:
    done = answer(ONCE)
    assert done.stdout.strip() == "2"
    assert "cannot be modified after being initialized" in done.stderr


@pytest.mark.parametrize(
    ("cap", "total", "share"),
    [(40_000, 80_000, 0.5), (1, 3, 0.333333), (81_000, 80_000, 1.0), (0, 80_000, 1.0)],
)
def test_a_share_never_grants_more_than_the_cap(cap: int, total: int, share: float) -> None:
    assert share_of(cap, total) == share
    assert not cap or share_of(cap, total) * total <= cap


def test_jax_finds_its_share_in_the_environment_before_it_starts(environment: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def local_devices() -> list[Any]:
        seen.update(os.environ)
        return [types.SimpleNamespace(platform="gpu")]

    environment.setitem(sys.modules, "jax", types.SimpleNamespace(local_devices=local_devices))  # type: ignore[arg-type]
    environment.setitem(sys.modules, "tensorflow", hidden_tensorflow([]))
    environment.setattr("worker.accelerator._total_mib", lambda device: 80_000)
    environment.setenv("XLA_CLIENT_MEM_FRACTION", "0.9")
    cap_accelerator(GPU, 20_000, "jax")
    assert seen["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert seen["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.25"
    assert "XLA_CLIENT_MEM_FRACTION" not in seen, "JAX refuses both names at once"


def test_pytorch_is_given_a_share_and_tensorflow_is_kept_off_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    cuda = types.SimpleNamespace(
        device_count=lambda: 1,
        get_device_properties=lambda device: types.SimpleNamespace(total_memory=80_000 * 2**20),
        set_per_process_memory_fraction=lambda share, device: given.append((share, device)),
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "tensorflow", hidden_tensorflow(given))
    cap_accelerator(GPU, 20_000, "torch")
    assert given == [([], "GPU"), (0.25, 0)]


def test_a_gpu_that_the_driver_does_not_know_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setitem(sys.modules, "tensorflow", hidden_tensorflow([]))
    with pytest.raises(DeviceError, match=GPU):
        cap_accelerator(GPU, 20_000, "jax")


def hidden_tensorflow(calls: list[Any]) -> Any:
    """As much of TensorFlow as hides its GPUs."""
    hide = types.SimpleNamespace(set_visible_devices=lambda devices, kind: calls.append((devices, kind)))
    return types.SimpleNamespace(config=hide)
