"""A driver that does not answer, over the real pynvml and a real child: whom that concerns, and for how long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest

from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually
from tests.orchestrator.balancer.probes.conftest import PACE, Watch
from tests.orchestrator.balancer.probes.looking import asker, by_name, goes_on, in_trouble


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
    child = asker()
    fleet.fault(function, gpu=1, crash=True)
    with suppress(psutil.NoSuchProcess):
        child.kill()
    eventually(lambda: in_trouble(probe) == {"gpu1"} and "SIGSEGV" in by_name(probe)["gpu1"].trouble)
    goes_on(probe, "gpu0", "gpu2")
    fleet.heal()
    goes_on(probe, "gpu0", "gpu1", "gpu2")


def test_a_child_that_is_killed_between_two_polls_is_replaced_and_nobody_is_blamed(fleet: Fleet, watch: Watch) -> None:
    probe = watch(fleet, replace(PACE, interval_s=2.0, silence_s=10.0))
    child = asker()
    polls = probe.polls + 1
    assert probe.wait_for_polls(polls, 30.0)
    time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    blamed = []
    eventually(lambda: blamed.append(in_trouble(probe)) or probe.polls > polls)
    assert {len(names) for names in blamed} <= {0, 3}
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
