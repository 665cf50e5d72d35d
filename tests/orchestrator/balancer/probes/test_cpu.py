"""The machine as a device, and the limits of the container that it may be in."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from model.units import MIB
from orchestrator.balancer.probes.cpu import CpuProbe, machine_memory


def group(folder: Path, **files: str | int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def test_without_a_limit_memory_is_the_machines(tmp_path: Path) -> None:
    group(tmp_path, memory__max="max", memory__current=5 * MIB, memory__stat="inactive_file 0")
    total_mib, free_mib = machine_memory(tmp_path)
    assert total_mib == psutil.virtual_memory().total // MIB
    assert 0 < free_mib < total_mib


def test_a_container_of_cgroup_v2_has_its_limit_and_can_have_back_its_page_cache(tmp_path: Path) -> None:
    stat = f"anon 1\ninactive_file {30 * MIB}\nactive_file 2"
    group(tmp_path, memory__max=200 * MIB, memory__current=80 * MIB, memory__stat=stat)
    assert machine_memory(tmp_path) == (200, 150)


def test_a_container_of_cgroup_v1_has_its_limit_and_can_have_back_its_page_cache(tmp_path: Path) -> None:
    stat = f"inactive_file 0\ntotal_inactive_file {30 * MIB}"
    files = {"memory__limit_in_bytes": 200 * MIB, "memory__usage_in_bytes": 80 * MIB, "memory__stat": stat}
    group(tmp_path / "memory", **files)
    assert machine_memory(tmp_path) == (200, 150)


def test_a_cgroup_v1_without_a_limit_says_a_huge_number(tmp_path: Path) -> None:
    files = {"memory__limit_in_bytes": 9223372036854771712, "memory__usage_in_bytes": 1, "memory__stat": ""}
    group(tmp_path / "memory", **files)
    assert machine_memory(tmp_path)[0] == psutil.virtual_memory().total // MIB


def test_a_container_that_is_over_its_limit_has_nothing_free(tmp_path: Path) -> None:
    group(tmp_path, memory__max=200 * MIB, memory__current=230 * MIB, memory__stat="anon 1")
    assert machine_memory(tmp_path) == (200, 0)


@pytest.mark.parametrize("slots", [0, 3])
def test_slots_are_the_cores_unless_given(slots: int) -> None:
    (found,) = CpuProbe(slots=slots).read()
    assert found.slots == (slots or len(os.sched_getaffinity(0)))
    assert (found.device_id, found.model, found.name, found.processes) == ("cpu", "CPU", "cpu", None)


def test_where_the_system_does_not_tell_which_cores_may_be_used_all_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    (found,) = CpuProbe().read()
    assert found.slots == os.cpu_count()
