"""The port `DeviceProbe`: what the balancer relies on, whichever probe reads the devices."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.balancer.probes.cpu import CpuProbe
from orchestrator.balancer.probes.nvml import NvmlProbe, Pace
from orchestrator.balancer.readings import DeviceProbe
from tests.driver.personalities import PERSONALITIES
from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually

PACE = Pace(interval_s=0.05, slow_every_s=0.2)
MACHINES = ["cpu", *PERSONALITIES, "data_centre 470"]
ONE_READ_S = 2.0
"""Far more than a read that waits for nothing takes."""

Begin = Callable[[], DeviceProbe]


@pytest.fixture(params=MACHINES)
def begin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Begin]:
    """Starts a probe, on the machine of this round, and ends it."""
    begun: list[DeviceProbe] = []
    personality, _, driver = request.param.partition(" ")
    fleet = None if personality == "cpu" else Fleet.create(tmp_path, personality, driver=driver or "current")
    for place, device in enumerate(fleet.devices if fleet else []):
        device.set_process(100 + place, 1000)
        device.set_foreign(300)

    def begin() -> DeviceProbe:
        probe = NvmlProbe(PACE, environment=fleet.environment()) if fleet else CpuProbe()
        begun.append(probe)
        eventually(lambda: len(probe.read()) == (len(fleet.devices) if fleet else 1))
        return probe

    yield begin
    for probe in begun:
        probe.close()


def test_ids_and_names_are_unique_and_the_same_in_every_reading_and_in_every_probe(begin: Begin) -> None:
    probe, other = begin(), begin()
    for named in (lambda found: found.device_id, lambda found: found.name):
        first = [named(found) for found in probe.read()]
        assert len(set(first)) == len(first)
        assert all(first)
        eventually(lambda first=first, named=named: [named(found) for found in other.read()] == first)


def test_free_memory_is_part_of_the_total(begin: Begin) -> None:
    for found in begin().read():
        assert found.total_mib >= found.free_mib + found.driver_reserved_mib
        assert found.free_mib >= 0
        assert found.total_mib > 0


def test_every_device_says_what_it_is_and_is_well(begin: Begin) -> None:
    for found in begin().read():
        assert found.model
        assert found.trouble == ""
        assert found.slots >= 0


def test_memory_of_processes_is_told_whole_or_not_at_all(begin: Begin) -> None:
    for found in begin().read():
        assert found.processes is None or sum(found.processes.values()) == 1000


def test_readings_are_of_the_past_and_are_renewed(begin: Begin) -> None:
    probe = begin()
    first = {found.device_id: found.at for found in probe.read()}
    assert all(at <= time.time() for at in first.values())
    eventually(lambda: all(found.at > first[found.device_id] for found in probe.read()))


def test_reading_waits_for_nothing_and_readings_cannot_be_changed(begin: Begin) -> None:
    probe = begin()
    began = time.monotonic()
    (first, *_) = probe.read()
    assert time.monotonic() - began < ONE_READ_S
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.free_mib = 0  # type: ignore[misc]


def test_a_probe_that_is_closed_twice_leaves_no_process_and_still_tells_what_it_knew(begin: Begin) -> None:
    before = set(psutil.Process().children(recursive=True))
    probe = begin()
    known = probe.read()
    probe.close()
    probe.close()
    assert set(psutil.Process().children(recursive=True)) <= before
    assert [found.device_id for found in probe.read()] == [found.device_id for found in known]
