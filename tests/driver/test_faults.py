"""What can be wrong with the stand-in, seen through unmodified pynvml in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.driver import layout
from tests.driver.seeing import BEGIN, MIB, PRELUDE, see
from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually


def test_a_fault_has_its_function_its_gpu_its_first_call_and_its_last(fleet: Fleet) -> None:
    fleet.fault("nvmlDeviceGetTemperature", gpu=1, code=15, after=1, times=2)
    said = see(
        fleet,
        "second = nvmlDeviceGetHandleByIndex(1)\n"
        "say([[code(nvmlDeviceGetTemperature, handle, 0) for _ in range(4)] for handle in (gpu, second)]\n"
        "    + [code(nvmlDeviceGetUtilizationRates, second)])",
    )
    assert said == [[0, 0, 0, 0], [0, 15, 15, 0], 0]


def test_a_fault_can_be_slow_hang_until_it_is_healed_or_crash(fleet: Fleet) -> None:
    fleet.fault("nvmlDeviceGetTemperature", latency_s=0.2)
    slow = "import time; began = time.monotonic(); nvmlDeviceGetTemperature(gpu, 0); say(time.monotonic() - began)"
    assert see(fleet, slow) >= 0.2
    fleet.fault("nvmlDeviceGetUtilizationRates", hang=True)
    fleet.fault("nvmlDeviceGetName", crash=True)
    hanging = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + BEGIN + "nvmlDeviceGetUtilizationRates(gpu)"],
        env={**os.environ, **fleet.environment()},
    )
    eventually(lambda: fleet.calls("nvmlDeviceGetUtilizationRates"))
    with pytest.raises(subprocess.TimeoutExpired):
        hanging.wait(0.5)
    fleet.heal("nvmlDeviceGetUtilizationRates")
    assert hanging.wait(30) == 0
    crashing = [sys.executable, "-c", PRELUDE + BEGIN + "nvmlDeviceGetName(gpu)"]
    assert subprocess.run(crashing, env={**os.environ, **fleet.environment()}, check=False).returncode == -11


def test_a_lost_gpu_fails_in_every_call_and_the_others_in_none(fleet: Fleet) -> None:
    fleet.gpu[1].lose(15)
    fleet.gpu[2].lose(999)
    assert see(fleet, "say([code(nvmlDeviceGetHandleByIndex, index) for index in range(4)])") == [0, 15, 999, 0]
    fleet.gpu[1].recover()
    assert see(fleet, "say([code(nvmlDeviceGetHandleByIndex, index) for index in range(4)])") == [0, 0, 999, 0]


def test_a_gpu_that_is_gone_moves_the_indices_of_those_after_it(fleet: Fleet) -> None:
    fleet.gpu[1].set_present(False)
    said = see(fleet, "say([nvmlDeviceGetUUID(nvmlDeviceGetHandleByIndex(i)) for i in range(nvmlDeviceGetCount())])")
    assert said == [fleet.gpu[i].uuid for i in (0, 2, 3)]
    fleet.set_count(7)
    assert see(fleet, "say(nvmlDeviceGetCount())") == 7


def test_a_process_list_can_be_too_short_twice_hide_its_memory_or_name_pids_of_a_container(fleet: Fleet) -> None:
    fleet.gpu[0].set_process(4242, 1000)
    entries = "say([[row.pid, row.usedGpuMemory] for row in nvmlDeviceGetComputeRunningProcesses(gpu)])"
    fleet.fault("nvmlDeviceGetComputeRunningProcesses_v3", code=7, times=2)
    assert see(fleet, "say(code(nvmlDeviceGetComputeRunningProcesses, gpu))") == 7
    assert see(fleet, entries) == [[4242, 1000 * MIB]]
    fleet.gpu[0].set_health(hides_process_memory=1)
    assert see(fleet, entries) == [[4242, None]]
    fleet.gpu[0].set_health(hides_process_memory=0, shows_container_pids=1)
    assert see(fleet, entries) == [[300, 0]]


def test_a_process_stands_in_the_lists_that_it_is_put_in(fleet: Fleet) -> None:
    fleet.gpu[0].set_process(1, 300, layout.GRAPHICS)
    fleet.gpu[0].set_process(2, 2000, layout.COMPUTE | layout.MPS)
    lists = "ComputeRunningProcesses", "GraphicsRunningProcesses", "MPSComputeRunningProcesses"
    read = ", ".join(f"[row.pid for row in nvmlDeviceGet{name}(gpu)]" for name in lists)
    assert see(fleet, f"say([{read}])") == [[2], [1], [2]]


def test_frozen_memory_stays_as_it_was(fleet: Fleet) -> None:
    fleet.gpu[0].set_foreign(100)
    fleet.gpu[0].freeze()
    fleet.gpu[0].set_foreign(9000)
    assert see(fleet, "say(memory(gpu, version=nvmlMemory_v2)['used'])") == 100
    fleet.gpu[0].thaw()
    assert see(fleet, "say(memory(gpu, version=nvmlMemory_v2)['used'])") == 9000


def test_an_xid_is_delivered_once_to_everyone_who_listens(fleet: Fleet) -> None:
    listening = (
        PRELUDE
        + BEGIN
        + "import sys\n"
        + (
            "found = nvmlEventSetCreate()\n"
            "nvmlDeviceRegisterEvents(gpu, nvmlEventTypeXidCriticalError, found)\n"
            "print('listening', flush=True)\n"
            "event = nvmlEventSetWait_v2(found, 30000)\n"
            "say([nvmlDeviceGetUUID(event.device), event.eventData, code(nvmlEventSetWait_v2, found, 50)])"
        )
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", listening],
            env={**os.environ, **fleet.environment()},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
    fleet.xid(1, 48)
    fleet.xid(0, 79)
    for process in processes:
        said, _ = process.communicate(timeout=30)
        assert json.loads(said) == [fleet.gpu[0].uuid, 79, 10]


@pytest.mark.parametrize("code", [9, 18, 999])
def test_the_library_may_fail_to_start(fleet: Fleet, code: int) -> None:
    fleet.fault("nvmlInitWithFlags", code=code)
    assert see(fleet, "say(code(nvmlInit))", PRELUDE) == code


def test_the_library_may_be_missing(fleet: Fleet) -> None:
    fleet.remove_library()
    assert see(fleet, "say(code(nvmlInit))", PRELUDE) == 12
    fleet.restore_library()
    assert see(fleet, "say(code(nvmlInit))", PRELUDE) == 0


def test_after_an_upgrade_of_the_driver_only_a_new_process_gets_answers(fleet: Fleet) -> None:
    old = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + BEGIN + "print(flush=True); input(); say(code(nvmlDeviceGetCount))"],
        env={**os.environ, **fleet.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert old.stdout is not None
    old.stdout.readline()
    fleet.begin_upgrade(after=1)
    assert see(fleet, "say([code(nvmlInit), code(nvmlInit)])", PRELUDE) == [0, 18]
    fleet.finish_upgrade()
    assert old.communicate("\n", timeout=30)[0] == "18\n"
    assert see(fleet, "say(nvmlDeviceGetCount())") == 4
