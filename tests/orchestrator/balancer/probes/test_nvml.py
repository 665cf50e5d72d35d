"""The GPUs' probe, over the real pynvml, a real child and a driver that misbehaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from orchestrator.balancer.probes.nvml import NvmlProbe, Pace
from orchestrator.balancer.readings import Reading
from tests.driver import layout
from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually
from tests.orchestrator.balancer.probes.conftest import PACE, Watch


def by_name(probe: NvmlProbe) -> dict[str, Reading]:
    return {found.name: found for found in probe.read()}


def in_trouble(probe: NvmlProbe) -> set[str]:
    return {found.name for found in probe.read() if found.trouble}


def goes_on(probe: NvmlProbe, *names: str) -> None:
    """Wait until these devices have been read anew, and are well."""
    since = time.time()
    eventually(lambda: all(by_name(probe)[name].at > since and not by_name(probe)[name].trouble for name in names))


def asker() -> psutil.Process:
    """The child that asks the driver."""
    (child,) = (found for found in psutil.Process().children() if "nvml_child" in " ".join(found.cmdline()))
    return child


# ---------------------------------------------------------------------------------------------------- what is read


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
    )


def test_mig_instances_stand_for_their_gpu(tmp_path: Path, watch: Watch) -> None:
    fleet = Fleet.create(tmp_path, "mig")
    fleet.devices[1].set_process(7, 2000)
    fleet.gpu[0].set_health(temperature=50, utilisation=30)
    found = watch(fleet).read()
    assert [part.device_id for part in found] == [part.uuid for part in fleet.devices]
    assert [part.name for part in found] == ["gpu0/mig0", "gpu0/mig1", "gpu0/mig2"]
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


def test_processes_are_listed_when_memory_has_moved_or_on_demand(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet, replace(PACE, slow_every_s=600.0))
    fleet.gpu[0].set_process(1, 65)
    eventually(lambda: by_name(probe)["gpu0"].processes == {1: 65})
    fleet.gpu[1].set_process(2, 10)
    assert probe.wait_for_polls(probe.polls + 3, 30.0)
    assert by_name(probe)["gpu1"].processes == {}
    probe.list_processes_soon()
    eventually(lambda: by_name(probe)["gpu1"].processes == {2: 10})


# ------------------------------------------------------------------------------------------------ what is in trouble


@pytest.mark.parametrize("code", [15, 16, 999])
def test_one_lost_gpu_is_in_trouble_and_the_others_go_on(fleet: Fleet, watch: Watch, code: int) -> None:
    probe = watch(fleet)
    fleet.gpu[1].lose(code)
    eventually(lambda: in_trouble(probe) == {"gpu1"})
    lost = by_name(probe)["gpu1"]
    goes_on(probe, "gpu0", "gpu2")
    assert replace(by_name(probe)["gpu1"], trouble=lost.trouble) == lost
    assert lost.total_mib == 81_559
    fleet.gpu[1].recover()
    goes_on(probe, "gpu0", "gpu1", "gpu2")


def test_a_gpu_that_is_lost_before_the_first_poll_is_in_trouble_if_it_has_an_id(fleet: Fleet, watch: Watch) -> None:
    fleet.fault("nvmlDeviceGetMemoryInfo_v2", gpu=1, code=15)
    found = by_name(watch(fleet))
    assert found["gpu1"].trouble
    assert found["gpu1"].free_mib == 0


def test_a_hole_in_the_indices_hides_no_gpu_behind_it(fleet: Fleet, watch: Watch) -> None:
    fleet.fault("nvmlDeviceGetHandleByIndex_v2", gpu=1, code=999)
    probe = watch(fleet)
    assert [found.device_id for found in probe.read()] == [fleet.gpu[0].uuid, fleet.gpu[2].uuid]
    assert in_trouble(probe) == set()


def test_a_gpu_that_is_no_longer_listed_is_in_trouble_and_the_others_keep_their_ids(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    ids = [found.device_id for found in probe.read()]
    fleet.gpu[1].set_present(False)
    eventually(lambda: [found.device_id for found in probe.read() if found.trouble] == [fleet.gpu[1].uuid])
    since = time.time()
    eventually(lambda: sum(found.at > since for found in probe.read()) == 2)
    assert [found.device_id for found in probe.read()] == ids
    assert [found.name for found in probe.read()] == ["gpu0", "", "gpu1"]
    fleet.gpu[1].set_present(True)
    goes_on(probe, "gpu0", "gpu1", "gpu2")


def test_a_gpu_that_vanished_while_the_child_was_away_is_in_trouble_with_the_next_poll(
    fleet: Fleet, watch: Watch
) -> None:
    probe = watch(fleet)
    fleet.gpu[2].set_present(False)
    asker().kill()
    eventually(lambda: in_trouble(probe) == {"gpu2"})
    goes_on(probe, "gpu0", "gpu1")


def test_a_wrong_count_takes_no_gpu_away_that_still_answers(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    fleet.set_count(2)
    goes_on(probe, "gpu0", "gpu1", "gpu2")


def test_mig_instances_that_are_gone_are_in_trouble(tmp_path: Path, watch: Watch) -> None:
    fleet = Fleet.create(tmp_path, "mig")
    probe = watch(fleet)
    fleet.devices[2].set_present(False)
    eventually(lambda: in_trouble(probe) == {"gpu0/mig2"})
    goes_on(probe, "gpu0/mig0", "gpu0/mig1")


def test_an_unwell_gpu_is_in_trouble_until_it_is_well(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    for health, words in (
        ({"temperature": 95}, "95 °C"),
        ({"uncorrected_errors": 2}, "2 uncorrectable errors"),
        ({"rows_pending": 1}, "reset"),
        ({"pages_pending": 1}, "reset"),
        ({"rows_failed": 1}, "replaced"),
        ({"compute_mode": 2}, "PROHIBITED"),
    ):
        fleet.gpu[1].set_health(**health)
        eventually(lambda words=words: words in by_name(probe)["gpu1"].trouble)
        assert in_trouble(probe) == {"gpu1"}
        fleet.gpu[1].set_health(**{name: 40 if name == "temperature" else 0 for name in health})
        goes_on(probe, "gpu1")


def test_a_gpu_for_one_process_at_a_time_bears_one_worker(fleet: Fleet, watch: Watch) -> None:
    fleet.gpu[1].set_health(compute_mode=3)
    assert [found.slots for found in watch(fleet).read()] == [0, 1, 0]


def test_a_serious_xid_takes_the_gpu_out_of_service_until_it_is_forgiven(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    for number in (48, 64, 74, 79, 95, 119, 120, 154, 62):
        fleet.xid(1, number)
        eventually(lambda: in_trouble(probe) == {"gpu1"})
        assert f"Xid {number}" in by_name(probe)["gpu1"].trouble
        probe.forgive(fleet.gpu[1].uuid)
        goes_on(probe, "gpu1")


def test_a_new_child_forgives_no_xid(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    fleet.xid(1, 79)
    eventually(lambda: in_trouble(probe) == {"gpu1"})
    asker().kill()
    goes_on(probe, "gpu0", "gpu2")
    assert in_trouble(probe) == {"gpu1"}


def test_an_xid_that_an_application_causes_takes_nothing_away(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    for number in (13, 31, 43, 45, 63, 68, 94, 109):
        fleet.xid(0, number)
    fleet.xid(1, 79)
    eventually(lambda: in_trouble(probe) == {"gpu1"})
    assert in_trouble(probe) == {"gpu1"}


def test_an_xid_of_a_gpu_concerns_all_its_mig_instances(tmp_path: Path, watch: Watch) -> None:
    probe = watch(Fleet.create(tmp_path, "mig"))
    Fleet(tmp_path).xid(0, 79)
    eventually(lambda: len(in_trouble(probe)) == 3)


@pytest.mark.parametrize("function", ["nvmlEventSetCreate", "nvmlDeviceRegisterEvents", "nvmlEventSetWait_v2"])
def test_a_driver_without_events_is_read_at_the_same_pace(fleet: Fleet, watch: Watch, function: str) -> None:
    fleet.fault(function, code=3)
    began = time.monotonic()
    probe = watch(fleet)
    assert probe.wait_for_polls(6, 30.0)
    probe.close()
    assert fleet.calls("nvmlDeviceGetCount_v2") <= (time.monotonic() - began) / PACE.interval_s + 2


# ------------------------------------------------------------------------------------- when the driver does not answer


def test_a_driver_that_hangs_lets_readings_grow_old_and_then_only_its_gpu_is_left_alone(
    fleet: Fleet, watch: Watch
) -> None:
    probe = watch(fleet)
    child = asker()
    fleet.fault("nvmlDeviceGetMemoryInfo_v2", gpu=1, hang=True)
    eventually(lambda: time.time() - by_name(probe)["gpu2"].at > 0.5)
    assert in_trouble(probe) == set()
    goes_on(probe, "gpu0", "gpu2")
    assert in_trouble(probe) == {"gpu1"}
    assert "has not answered" in by_name(probe)["gpu1"].trouble
    assert not child.is_running()
    fleet.heal()
    goes_on(probe, "gpu0", "gpu1", "gpu2")


def test_a_driver_that_hangs_as_a_whole_is_asked_again_by_a_new_child(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    fleet.fault("nvmlDeviceGetCount_v2", hang=True)
    eventually(lambda: in_trouble(probe) == {"gpu0", "gpu1", "gpu2"})
    assert "has not answered" in probe.driver_trouble
    fleet.heal()
    goes_on(probe, "gpu0", "gpu1", "gpu2")
    assert probe.driver_trouble == ""


@pytest.mark.parametrize("function", ["nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetHandleByIndex_v2"])
def test_a_gpu_that_crashes_whoever_asks_is_left_alone_and_the_others_go_on(
    fleet: Fleet, watch: Watch, function: str
) -> None:
    probe = watch(fleet)
    fleet.fault(function, gpu=1, crash=True)
    asker().kill()
    eventually(lambda: in_trouble(probe) == {"gpu1"})
    assert "SIGSEGV" in by_name(probe)["gpu1"].trouble
    goes_on(probe, "gpu0", "gpu2")
    fleet.heal()
    goes_on(probe, "gpu0", "gpu1", "gpu2")


def test_a_child_that_is_killed_between_two_polls_is_replaced_and_nobody_is_blamed(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet, replace(PACE, interval_s=0.4))
    child = asker()
    assert probe.wait_for_polls(probe.polls + 1, 30.0)
    time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    goes_on(probe, "gpu0", "gpu1", "gpu2")
    assert not child.is_running()


def test_a_slow_driver_is_waited_for(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    child = asker()
    fleet.fault("nvmlDeviceGetMemoryInfo_v2", latency_s=0.3, times=6)
    goes_on(probe, "gpu0", "gpu1", "gpu2")
    assert child.is_running()


def test_after_an_upgrade_of_the_driver_a_new_child_reads_on(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    child = asker()
    fleet.begin_upgrade(after=20)
    eventually(lambda: in_trouble(probe) == {"gpu0", "gpu1", "gpu2"})
    assert "upgraded" in by_name(probe)["gpu0"].trouble
    old = by_name(probe)["gpu0"].at
    time.sleep(0.3)
    assert by_name(probe)["gpu0"].at == old
    fleet.finish_upgrade()
    goes_on(probe, "gpu0", "gpu1", "gpu2")
    assert not child.is_running()


def test_a_driver_that_answers_with_old_numbers_is_taken_at_its_word(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    fleet.gpu[0].freeze()
    fleet.gpu[0].set_foreign(9000)
    goes_on(probe, "gpu0")
    assert by_name(probe)["gpu0"].free_mib == 81_559 - 551
    fleet.gpu[0].thaw()
    eventually(lambda: by_name(probe)["gpu0"].free_mib == 81_559 - 551 - 9000)


@pytest.mark.parametrize("code", [9, 18, 999])
def test_a_driver_that_does_not_start_is_tried_again_until_it_does(fleet: Fleet, watch: Watch, code: int) -> None:
    fleet.fault("nvmlInitWithFlags", code=code, times=2)
    probe = watch(fleet, wait=False)
    assert probe.listed(30.0) in (None, 3)
    assert probe.wait_for_polls(1, 30.0)
    assert len(probe.read()) == 3
    assert fleet.calls("nvmlInitWithFlags") == 3


def test_a_driver_that_is_removed_is_missed_by_the_next_child(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet)
    fleet.remove_library()
    asker().kill()
    eventually(lambda: probe.driver_is_missing)
    assert "install" in by_name(probe)["gpu0"].trouble
    fleet.restore_library()
    goes_on(probe, "gpu0", "gpu1", "gpu2")
    assert not probe.driver_is_missing


def test_the_child_ends_with_its_parent_even_while_the_driver_hangs(fleet: Fleet) -> None:
    fleet.fault("nvmlDeviceGetMemoryInfo_v2", hang=True)
    code = (
        "import time\nfrom orchestrator.balancer.probes.nvml import NvmlProbe\n"
        "probe = NvmlProbe(); print(probe.listed(30), flush=True); time.sleep(600)"
    )
    environment = {**os.environ, **fleet.environment()}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "3\n"
    (child,) = psutil.Process(parent.pid).children()
    eventually(lambda: fleet.calls("nvmlDeviceGetMemoryInfo_v2"))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_closing_does_not_wait_for_a_driver_that_hangs(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet, replace(PACE, silence_s=600.0))
    fleet.fault("nvmlDeviceGetMemoryInfo_v2", hang=True)
    probe.close()
    assert probe.read()
