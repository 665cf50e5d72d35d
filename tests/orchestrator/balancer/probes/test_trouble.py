"""GPUs that are unwell, lost or gone, over the real pynvml, a real child and a driver that misbehaves."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually
from tests.orchestrator.balancer.probes.conftest import PACE, Watch
from tests.orchestrator.balancer.probes.looking import asker, by_name, goes_on, in_trouble


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
