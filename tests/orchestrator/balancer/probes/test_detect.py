"""Which probe a machine gets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.balancer.probes.cpu import CpuProbe
from orchestrator.balancer.probes.detect import probe_for
from orchestrator.balancer.probes.nvml import NvmlProbe
from orchestrator.balancer.readings import DeviceProbe
from orchestrator.errors import ServiceError
from orchestrator.settings import Devices
from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually

PATIENCE_S = 15.0


@contextmanager
def probed(fleet: Fleet, devices: Devices, patience_s: float = PATIENCE_S) -> Iterator[DeviceProbe]:
    probe = probe_for(devices, slots=2, environment=fleet.environment(), patience_s=patience_s)
    try:
        yield probe
    finally:
        probe.close()


@pytest.mark.parametrize("devices", ["auto", "gpu"])
def test_a_machine_with_gpus_gets_their_probe_which_has_read_them(fleet: Fleet, devices: Devices) -> None:
    with probed(fleet, devices) as probe:
        assert isinstance(probe, NvmlProbe)
        assert len(probe.read()) == 3


def test_the_cpu_can_be_asked_for_although_there_are_gpus(fleet: Fleet) -> None:
    with probed(fleet, "cpu") as probe:
        assert [found.slots for found in probe.read()] == [2]
    assert fleet.calls("*") == 0


def test_a_machine_without_a_driver_gets_the_cpu_and_no_gpu_on_demand(fleet: Fleet) -> None:
    fleet.remove_library()
    with probed(fleet, "auto") as probe:
        assert isinstance(probe, CpuProbe)
    with pytest.raises(ServiceError, match="install the NVIDIA driver"):
        probe_for("gpu", environment=fleet.environment(), patience_s=PATIENCE_S)


def test_a_driver_that_lists_no_gpu_is_as_good_as_none(fleet: Fleet) -> None:
    fleet.set_count(0)
    with probed(fleet, "auto") as probe:
        assert isinstance(probe, CpuProbe)
    with pytest.raises(ServiceError, match="lists no GPU"):
        probe_for("gpu", environment=fleet.environment(), patience_s=PATIENCE_S)


def test_a_driver_that_hangs_is_not_waited_for(fleet: Fleet) -> None:
    fleet.fault("nvmlInitWithFlags", hang=True)
    began = time.monotonic()
    with probed(fleet, "auto", patience_s=1.0) as probe:
        assert isinstance(probe, CpuProbe)
    assert time.monotonic() - began < 10.0


def test_whoever_wants_gpus_gets_them_when_the_driver_is_back(fleet: Fleet) -> None:
    fleet.fault("nvmlInitWithFlags", code=18, times=2)
    with probed(fleet, "gpu") as probe:
        assert isinstance(probe, NvmlProbe)
        eventually(lambda: len(probe.read()) == 3)
