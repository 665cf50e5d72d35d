"""Control groups: which one may be used, what is written and what is read; folders stand for the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from model.units import MIB
from worker.cgroup import Group, delegated_group


@pytest.fixture
def version2(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    return tmp_path


def own_mib() -> int:
    return int(psutil.Process().memory_info().rss // MIB)


def test_a_group_grants_the_cap_less_what_is_shared_since_the_fork(version2: Path) -> None:
    Group(version2, "w1").enclose(os.getpid(), 5000)
    granted_mib = int((version2 / "hdsmlm-w1" / "memory.max").read_text()) // MIB
    assert granted_mib == pytest.approx(5000 - own_mib(), abs=20)
    assert (version2 / "hdsmlm-w1" / "cgroup.procs").read_text() == str(os.getpid())


def test_version_1_has_its_own_names(tmp_path: Path) -> None:
    group = Group(tmp_path, "w1")
    group.enclose(os.getpid(), 5000)
    folder = tmp_path / "hdsmlm-w1"
    granted = int((folder / "memory.limit_in_bytes").read_text())
    (folder / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    (folder / "memory.failcnt").write_text("17\n")
    (folder / "memory.max_usage_in_bytes").write_text(f"{granted}\n")
    assert group.release() == 5000


@pytest.mark.parametrize(
    ("events", "held_mib"),
    [
        ("low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n", 5000),
        ("low 0\nhigh 0\nmax 3\noom 0\noom_kill 1\n", None),
        ("low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n", None),
        ("", None),
    ],
    ids=["killed for its cap", "killed for the whole machine", "only reclaimed", "no such file"],
)
def test_only_a_kill_for_the_cap_is_an_overrun(version2: Path, events: str, held_mib: int | None) -> None:
    group = Group(version2, "w1")
    group.enclose(os.getpid(), 5000)
    if events:
        (version2 / "hdsmlm-w1" / "memory.events").write_text(events)
    assert group.release() == held_mib


def test_the_kernels_own_peak_is_told_where_it_has_one(version2: Path) -> None:
    group = Group(version2, "w1")
    group.enclose(os.getpid(), 5000)
    (version2 / "hdsmlm-w1" / "memory.events").write_text("oom 1\noom_kill 1\n")
    (version2 / "hdsmlm-w1" / "memory.peak").write_text(str(1000 * MIB))
    assert group.release() == pytest.approx(1000 + own_mib(), abs=20)


def test_a_group_that_the_kernel_refuses_is_an_error(version2: Path) -> None:
    with pytest.raises(OSError, match="hdsmlm"):
        Group(version2 / "missing", "w1").enclose(os.getpid(), 5000)


def test_a_group_with_another_owner_is_not_used(tmp_path: Path) -> None:
    service = tmp_path / "system.slice" / "hdsmlm.service"
    (service / "supervisor").mkdir(parents=True)
    membership = tmp_path / "membership"
    membership.write_text("0::/system.slice/hdsmlm.service/supervisor\n")
    assert delegated_group(tmp_path, membership) is None
    os.setxattr(service, "user.delegate", b"1")
    assert delegated_group(tmp_path, membership) == service


def test_version_1_counts_memory_where_it_is_mounted(tmp_path: Path) -> None:
    own = tmp_path / "memory" / "workers"
    own.mkdir(parents=True)
    os.setxattr(own, "user.delegate", b"1")
    membership = tmp_path / "membership"
    membership.write_text("5:pids:/\n4:cpu,memory:/workers\n0::/\n")
    assert delegated_group(tmp_path, membership) == own


def test_a_machine_without_control_groups_delegates_none(tmp_path: Path) -> None:
    assert delegated_group(tmp_path, tmp_path / "missing") is None
