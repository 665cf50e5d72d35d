"""The stand-in, seen through unmodified pynvml and nvitop: each in a process of its own, as their users have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.driver.personalities import PERSONALITIES
from tests.driver.seeing import MIB, see
from tests.driver.stand_in import Fleet


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
