"""What the probe of GPUs reads, over the real pynvml, a real child and a stand-in driver."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from orchestrator.balancer.probes.nvml import Pace
from orchestrator.balancer.readings import Reading
from tests.driver import layout
from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually
from tests.orchestrator.balancer.probes.conftest import PACE, Watch
from tests.orchestrator.balancer.probes.looking import by_name, goes_on


def test_memory_processes_and_health_are_the_drivers(fleet: Fleet, watch: Watch) -> None:
    fleet.gpu[1].set_foreign(500)
    fleet.gpu[1].set_process(4242, 9000)
    fleet.gpu[1].set_health(temperature=66, utilisation=70)
    found = by_name(watch(fleet))["gpu1"]
    assert found == Reading(
        device_id=fleet.gpu[1].uuid,
        model="NVIDIA H100 80GB HBM3",
        at=found.at,
        total_mib=81_559,
        free_mib=81_559 - 551 - 9500,
        driver_reserved_mib=551,
        processes={4242: 9000},
        utilisation=70,
        temperature_c=66,
        name="gpu1",
        gpu=fleet.gpu[1].uuid,
    )


def test_mig_instances_stand_for_their_gpu(tmp_path: Path, watch: Watch) -> None:
    fleet = Fleet.create(tmp_path, "mig")
    fleet.devices[1].set_process(7, 2000)
    fleet.gpu[0].set_health(temperature=50, utilisation=30)
    found = watch(fleet).read()
    assert [part.device_id for part in found] == [part.uuid for part in fleet.devices]
    assert [part.name for part in found] == ["gpu0/mig0", "gpu0/mig1", "gpu0/mig2"]
    assert {part.gpu for part in found} == {fleet.gpu[0].uuid}
    assert [part.processes for part in found] == [{}, {7: 2000}, {}]
    assert found[1].free_mib == 9_856 - 2000
    assert {(part.temperature_c, part.utilisation) for part in found} == {(50, 30)}


@pytest.mark.parametrize("driver", ["470", "535.98"])
def test_older_drivers_are_asked_with_older_functions(tmp_path: Path, watch: Watch, driver: str) -> None:
    fleet = Fleet.create(tmp_path, gpus=1, driver=driver)
    fleet.gpu[0].set_process(4242, 9000)
    (found,) = watch(fleet).read()
    assert found.free_mib == 81_559 - 551 - 9000
    assert found.driver_reserved_mib == (0 if driver == "470" else 551)
    assert found.processes == {4242: 9000}


def test_on_wsl2_memory_is_read_without_its_second_version_and_processes_are_unknown(
    tmp_path: Path, watch: Watch
) -> None:
    fleet = Fleet.create(tmp_path, "wsl2")
    fleet.gpu[0].set_process(4242, 9000)
    (found,) = watch(fleet).read()
    assert (found.free_mib, found.processes, found.trouble) == (16_376 - 342 - 9000, None, "")


def test_a_gpu_that_shares_the_machines_memory_bears_one_worker(tmp_path: Path, watch: Watch) -> None:
    (found,) = watch(Fleet.create(tmp_path, "unified")).read()
    machine = psutil.virtual_memory()
    assert (found.unified, found.slots, found.trouble) == (True, 1, "")
    assert 0 < found.free_mib <= found.total_mib <= machine.total >> 20


def test_a_call_that_fails_now_and_then_does_not_change_what_the_driver_keeps_for_itself(
    fleet: Fleet, watch: Watch
) -> None:
    probe = watch(fleet)
    fleet.fault("nvmlDeviceGetMemoryInfo_v2", gpu=0, code=999, times=1)
    goes_on(probe, "gpu0", "gpu1", "gpu2")
    assert {found.driver_reserved_mib for found in probe.read()} == {551}


@pytest.mark.parametrize("oddity", ["hides_process_memory", "shows_container_pids"])
def test_processes_whose_memory_the_driver_hides_are_unknown(fleet: Fleet, watch: Watch, oddity: str) -> None:
    fleet.gpu[0].set_process(4242, 9000)
    fleet.gpu[0].set_health(**{oddity: 1})
    found = by_name(watch(fleet))
    assert found["gpu0"].processes is None
    assert found["gpu1"].processes == {}


def test_a_list_of_processes_that_adds_up_to_more_than_there_is_is_not_believed(fleet: Fleet, watch: Watch) -> None:
    fleet.gpu[0].set_process(4242, 90_000)
    assert by_name(watch(fleet))["gpu0"].processes is None


def test_desktops_and_clients_of_mps_are_seen_and_who_stands_in_two_lists_counts_once(
    fleet: Fleet, watch: Watch
) -> None:
    fleet.gpu[0].set_process(1, 300, layout.GRAPHICS)
    fleet.gpu[0].set_process(2, 9000, layout.MPS)
    fleet.gpu[0].set_process(3, 2000, layout.COMPUTE | layout.GRAPHICS)
    assert by_name(watch(fleet))["gpu0"].processes == {1: 300, 2: 9000, 3: 2000}


@pytest.mark.parametrize("code", [3, 13])
def test_a_driver_that_lists_only_who_computes_is_believed(fleet: Fleet, watch: Watch, code: int) -> None:
    for kind in ("Graphics", "MPSCompute"):
        for version in ("v2", "v3"):
            fleet.fault(f"nvmlDeviceGet{kind}RunningProcesses_{version}", code=code)
    fleet.gpu[0].set_process(4242, 9000)
    assert by_name(watch(fleet))["gpu0"].processes == {4242: 9000}


def test_a_list_of_processes_that_grows_while_it_is_read_is_read_once_more(fleet: Fleet, watch: Watch) -> None:
    fleet.gpu[0].set_process(4242, 9000)
    fleet.fault("nvmlDeviceGetComputeRunningProcesses_v3", gpu=0, code=7, times=2)
    fleet.gpu[1].set_process(4242, 9000)
    fleet.fault("nvmlDeviceGetComputeRunningProcesses_v3", gpu=1, code=7)
    fleet.fault("nvmlDeviceGetComputeRunningProcesses_v2", gpu=1, code=7)
    found = by_name(watch(fleet))
    assert found["gpu0"].processes == {4242: 9000}
    assert found["gpu1"].processes is None


def test_the_driver_is_asked_no_more_than_the_budget_allows(fleet: Fleet, watch: Watch) -> None:
    fleet.gpu[0].set_process(4242, 9000)
    began = time.monotonic()
    probe = watch(fleet, Pace(interval_s=0.1, slow_every_s=0.5))
    time.sleep(2.0)
    probe.close()
    polls = (time.monotonic() - began) / 0.1 + 1
    for gpu in range(3):
        assert fleet.calls("nvmlDeviceGetMemoryInfo_v2", gpu=gpu) <= polls
        assert fleet.calls("nvmlDeviceGetMemoryInfo", gpu=gpu) == 0
        lists = fleet.calls("nvmlDeviceGetComputeRunningProcesses_v3", gpu=gpu) / (2 if gpu == 0 else 1)
        assert 1 <= lists <= 0.2 * polls + 1
    assert fleet.calls("nvmlInitWithFlags") == 1


def test_a_driver_without_the_newer_memory_call_is_not_asked_for_it_again(tmp_path: Path, watch: Watch) -> None:
    for personality in ("wsl2", "unified"):
        fleet = Fleet.create(tmp_path / personality, personality)
        probe = watch(fleet)
        assert probe.wait_for_polls(6, 30.0)
        assert fleet.calls("nvmlDeviceGetMemoryInfo_v2", gpu=0) == 1


def test_processes_are_listed_when_memory_has_moved(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet, replace(PACE, slow_every_s=600.0))
    fleet.gpu[0].set_process(1, 65)
    eventually(lambda: by_name(probe)["gpu0"].processes == {1: 65})
    fleet.gpu[1].set_process(2, 10)
    assert probe.wait_for_polls(probe.polls + 3, 30.0)
    assert by_name(probe)["gpu1"].processes == {}
