"""The stand-in, seen through unmodified pynvml and nvitop: each in a process of its own, as their users have it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.driver import layout
from tests.driver.personalities import PERSONALITIES
from tests.driver.stand_in import Fleet

MIB = 1 << 20
PRELUDE = """
import ctypes, json
from pynvml import *
def code(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except NVMLError as error:
        return error.value
    except NVMLLibraryMismatchError:
        return "mismatch"
    return 0
def say(value):
    print(json.dumps(value, default=lambda found: found.decode() if isinstance(found, bytes) else str(found)))
def memory(handle, **options):
    found = nvmlDeviceGetMemoryInfo(handle, **options)
    return {name: getattr(found, name) // 1048576 for name in ("total", "free", "used")}
"""
BEGIN = "nvmlInit(); gpu = nvmlDeviceGetHandleByIndex(0)\n"


def see(fleet: Fleet, code: str, prelude: str = PRELUDE + BEGIN) -> Any:
    """What a fresh interpreter says that sees the fleet."""
    answer = subprocess.run(
        [sys.executable, "-c", prelude + code],
        env={**os.environ, **fleet.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet.create(tmp_path, gpus=4)


def test_the_second_version_of_memory_keeps_apart_what_the_driver_reserves(fleet: Fleet) -> None:
    fleet.gpu[0].set_foreign(500)
    fleet.gpu[0].set_process(4242, 1000)
    first, second, reserved = see(
        fleet,
        "say([memory(gpu), memory(gpu, version=nvmlMemory_v2), "
        "nvmlDeviceGetMemoryInfo(gpu, version=nvmlMemory_v2).reserved // 1048576])",
    )
    assert second == {"total": 81_559, "free": 81_559 - 551 - 1500, "used": 1500}
    assert first == {**second, "used": 1500 + 551}
    assert reserved == 551


def test_every_call_that_a_monitor_needs_has_an_answer(fleet: Fleet) -> None:
    fleet.gpu[0].set_process(4242, 1000)
    fleet.gpu[0].set_health(temperature=66, utilisation=70, compute_mode=3, uncorrected_errors=2, rows_pending=1)
    said = see(
        fleet,
        """
uuid = nvmlDeviceGetUUID(gpu)
say({
    "driver": nvmlSystemGetDriverVersion(), "nvml": nvmlSystemGetNVMLVersion(),
    "cuda": nvmlSystemGetCudaDriverVersion(), "count": nvmlDeviceGetCount(), "uuid": uuid,
    "name": nvmlDeviceGetName(gpu), "index": nvmlDeviceGetIndex(nvmlDeviceGetHandleByUUID(uuid)),
    "minor": nvmlDeviceGetMinorNumber(gpu),
    "bus": nvmlDeviceGetIndex(nvmlDeviceGetHandleByPciBusId(nvmlDeviceGetPciInfo(gpu).busId)),
    "temperature": nvmlDeviceGetTemperature(gpu, NVML_TEMPERATURE_GPU),
    "utilisation": nvmlDeviceGetUtilizationRates(gpu).gpu, "mode": nvmlDeviceGetComputeMode(gpu),
    "ecc": nvmlDeviceGetTotalEccErrors(gpu, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC),
    "ecc_mode": nvmlDeviceGetEccMode(gpu), "rows": nvmlDeviceGetRemappedRows(gpu),
    "pages": nvmlDeviceGetRetiredPagesPendingStatus(gpu), "mig": nvmlDeviceGetMigMode(gpu),
    "persistence": nvmlDeviceGetPersistenceMode(gpu),
    "lists": [[(row.pid, row.usedGpuMemory) for row in lists(gpu)] for lists in (
        nvmlDeviceGetComputeRunningProcesses, nvmlDeviceGetComputeRunningProcesses_v2,
        nvmlDeviceGetGraphicsRunningProcesses, nvmlDeviceGetMPSComputeRunningProcesses)],
    "details": nvmlDeviceGetRunningProcessDetailList(gpu, nvmlProcessDetailList_v1, 0)[0].pid,
    "field": nvmlDeviceGetFieldValues(gpu, [1])[0].nvmlReturn,
    "samples": code(nvmlDeviceGetProcessUtilization, gpu, 0), "fan": code(nvmlDeviceGetFanSpeed, gpu),
    "nobody": code(nvmlDeviceGetHandleByUUID, "GPU-none"), "beyond": code(nvmlDeviceGetHandleByIndex, 4),
    "shutdown": nvmlShutdown(), "afterwards": code(nvmlDeviceGetCount),
})""",
    )
    assert said == {
        "driver": "580.95.05",
        "nvml": "580.95.05",
        "cuda": 13_000,
        "count": 4,
        "uuid": fleet.gpu[0].uuid,
        "name": "NVIDIA H100 80GB HBM3",
        "index": 0,
        "minor": 0,
        "bus": 0,
        "temperature": 66,
        "utilisation": 70,
        "mode": 3,
        "ecc": 2,
        "ecc_mode": [1, 1],
        "rows": [0, 0, 1, 0],
        "pages": 0,
        "mig": [0, 0],
        "persistence": 1,
        "lists": [[[4242, 1000 * MIB]], [[4242, 1000 * MIB]], [], []],
        "details": 4242,
        "field": 3,
        "samples": 6,
        "fan": 3,
        "nobody": 6,
        "beyond": 2,
        "shutdown": None,
        "afterwards": 1,
    }


def test_mig_instances_have_ids_and_memory_of_their_own_and_their_gpu_has_the_sum(tmp_path: Path) -> None:
    fleet = Fleet.create(tmp_path, "mig")
    fleet.devices[1].set_process(7, 2000)
    found, whole, parent, utilisation = see(
        fleet,
        """
parts = [nvmlDeviceGetMigDeviceHandleByIndex(gpu, i) for i in range(3)]
assert code(nvmlDeviceGetMigDeviceHandleByIndex, gpu, 3) == NVML_ERROR_NOT_FOUND
say([
    [[nvmlDeviceGetUUID(part), nvmlDeviceGetName(part), memory(part, version=nvmlMemory_v2)["used"],
      [row.gpuInstanceId for row in nvmlDeviceGetComputeRunningProcesses(part)]] for part in parts],
    memory(gpu, version=nvmlMemory_v2)["used"],
    nvmlDeviceGetUUID(nvmlDeviceGetDeviceHandleFromMigDeviceHandle(parts[0])),
    code(nvmlDeviceGetUtilizationRates, parts[0]),
])""",
    )
    assert [row[0] for row in found] == [part.uuid for part in fleet.devices]
    assert found[1][1:] == ["NVIDIA H100 80GB HBM3 MIG 1g.10gb", 2000, [2]]
    assert (whole, parent, utilisation) == (2000, fleet.gpu[0].uuid, 3)


def test_wsl2_knows_no_second_version_of_memory_and_hides_what_processes_hold(tmp_path: Path) -> None:
    fleet = Fleet.create(tmp_path, "wsl2")
    fleet.gpu[0].set_process(7, 2000)
    said = see(
        fleet,
        "say([code(nvmlDeviceGetMemoryInfo, gpu, version=nvmlMemory_v2), memory(gpu)['used'], "
        "[row.usedGpuMemory for row in nvmlDeviceGetComputeRunningProcesses(gpu)]])",
    )
    assert said == [999, 2342, [None]]


def test_a_gpu_that_shares_the_machines_memory_supports_no_memory_call(tmp_path: Path) -> None:
    fleet = Fleet.create(tmp_path, "unified")
    calls = "code(nvmlDeviceGetMemoryInfo, gpu), code(nvmlDeviceGetMemoryInfo, gpu, version=nvmlMemory_v2)"
    assert see(fleet, f"say([{calls}])") == [3, 3]


@pytest.mark.parametrize(("driver", "answers"), [("current", [0, 0]), ("535.98", [0, 13]), ("470", [13, 13])])
def test_older_drivers_lack_the_newer_functions(tmp_path: Path, driver: str, answers: list[int]) -> None:
    fleet = Fleet.create(tmp_path, driver=driver)
    calls = (
        "code(nvmlDeviceGetMemoryInfo, gpu, version=nvmlMemory_v2), code(nvmlDeviceGetComputeRunningProcesses_v3, gpu)"
    )
    assert see(fleet, f"say([{calls}])") == answers
    mismatch = see(fleet, "say(code(nvmlDeviceGetComputeRunningProcesses, gpu))")
    assert mismatch == (0 if driver == "current" else "mismatch")


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


def test_memory_that_is_not_there_is_not_given_out(fleet: Fleet) -> None:
    gpu = fleet.gpu[0]
    gpu.set_foreign(1000)
    assert gpu.allocate(1, 50_000)
    assert gpu.allocate(1, 10_000)
    assert gpu.processes() == {1: 60_000}
    assert not gpu.allocate(2, gpu.free_mib + 1)
    assert gpu.allocate(2, gpu.free_mib)
    gpu.release(1)
    assert gpu.used_mib == gpu.total_mib - 551 - 60_000


def test_no_process_sees_half_a_change_and_none_is_lost(fleet: Fleet) -> None:
    worker = (
        "import os\nfrom tests.driver.stand_in import Fleet\n"
        "gpu = Fleet.open(os.environ).gpu[0]\n"
        "print(sum(gpu.allocate(os.getpid(), 100) for _ in range(500)))"
    )
    command = [sys.executable, "-c", worker]
    environment = {**os.environ, **fleet.environment()}
    workers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    granted = sum(int(worker.communicate(timeout=60)[0]) for worker in workers)
    assert granted == (81_559 - 551) // 100
    assert fleet.gpu[0].used_mib == granted * 100
    fleet.release_the_dead()
    assert fleet.gpu[0].processes() == {}


def test_calls_are_counted_by_function_and_gpu(fleet: Fleet) -> None:
    see(fleet, "[memory(gpu) for _ in range(3)]; memory(nvmlDeviceGetHandleByIndex(2)); say(0)")
    assert [fleet.calls("nvmlDeviceGetMemoryInfo", gpu=gpu) for gpu in range(4)] == [3, 0, 1, 0]
    assert fleet.calls("nvmlDeviceGetMemoryInfo") == 4
    assert fleet.calls("*") == 4 + 3
    fleet.forget_calls()
    assert fleet.calls("*") == 0


@pytest.mark.parametrize("personality", PERSONALITIES)
def test_nvitop_reads_every_kind_of_machine(tmp_path: Path, personality: str) -> None:
    fleet = Fleet.create(tmp_path, personality)
    for device in fleet.devices:
        device.set_foreign(700)
    said = see(
        fleet,
        "import json, nvitop\n"
        "devices = nvitop.Device.all()\n"
        "parts = [part for device in devices for part in (device.mig_devices() or [device])]\n"
        "print(json.dumps([[part.uuid(), part.name(), part.memory_info().total // 2**20] for part in parts]))",
        "",
    )
    kind = PERSONALITIES[personality]
    assert [row[0] for row in said] == [device.uuid for device in fleet.devices]
    assert all(row[1].startswith(kind.model) for row in said)
    if personality == "wsl2":
        assert said[0][2] != said[0][2], "nvitop does not fall back to the first version of the memory call"
    elif personality != "unified":
        assert [row[2] for row in said] == [device.total_mib for device in fleet.devices]


def test_nvitop_draws_its_table(fleet: Fleet) -> None:
    fleet.gpu[1].set_process(os.getpid(), 5000)
    drawn = subprocess.run(
        [sys.executable, "-m", "nvitop", "--once"],
        env={**os.environ, **fleet.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert drawn.stderr == ""
    assert drawn.stdout.count("H100 80GB HBM3") == 4
    assert f"{os.getpid()} C" in drawn.stdout
    assert "5000MiB" in drawn.stdout
