"""A run that wants more than its cap dies alone, and is told from one that somebody killed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from model.units import MIB
from orchestrator.redis_door import Redis
from tests.worker.supervised import LARGE, SMALL, Supervised
from worker.caps import Caps, caps_of
from worker.cgroup import Group
from worker.resident import Watchdog
from worker.settings import WorkerSettings
from worker.spec import FailureClass, ReportKind

CAP_MIB = 700


def settings(**values: object) -> WorkerSettings:
    return WorkerSettings("w1", "redis://nowhere", Path("/nowhere"), **values)  # type: ignore[arg-type]


def growing_child(most_mib: int) -> int:
    """A child that takes 20 MiB every 50 ms, then waits."""
    child = os.fork()
    if child == 0:
        held = []
        for _ in range(0, most_mib, 20):
            held.append(b"x" * (20 * MIB))
            time.sleep(0.05)
        time.sleep(60)
        os._exit(0)
    return child


def test_a_run_over_its_cap_is_reported_with_the_numbers_and_its_supervisor_takes_the_next_order(
    redis: Redis, address: str, tmp_path: Path
) -> None:
    with Supervised(redis, address, tmp_path, {}) as worker:
        assert Watchdog.name in worker.said()

        worker.order("large", LARGE, CAP_MIB)
        failed = worker.first(ReportKind.FAILED, "large")
        assert failed.failure is FailureClass.OOM
        assert CAP_MIB < failed.peak_mib < 2 * CAP_MIB
        assert f"held {failed.peak_mib} MiB and its cap is {CAP_MIB} MiB" in failed.message

        worker.order("small", SMALL, CAP_MIB)
        advanced = worker.pace()
        assert (advanced.run_id, advanced.token) == ("small", "token-small")
        assert 300 < advanced.peak_mib < CAP_MIB
        assert advanced.steps_per_s > 0

        child = worker.child()
        assert Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip() == "1000"
        assert Path(f"/proc/{worker.process.pid}/oom_score_adj").read_text().strip() != "1000"
        child.kill()
        failed = worker.first(ReportKind.FAILED, "small")
        assert failed.failure is FailureClass.INFRA, "nobody saw it go over its cap"
        assert "SIGKILL" in failed.message
        assert worker.process.is_running()


def test_a_run_that_the_kernel_ends_in_its_control_group_is_reported_with_the_numbers(
    redis: Redis, address: str, tmp_path: Path
) -> None:
    """The files of a group are laid out as version 2 has them, and the test plays the kernel."""
    (tmp_path / "delegated").mkdir()
    (tmp_path / "delegated" / "cgroup.controllers").write_text("cpu memory\n")
    group = tmp_path / "delegated" / "hdsmlm-w1"
    environment = {"HDSMLM_CGROUP": str(group.parent)}
    with Supervised(redis, address, tmp_path, environment) as worker:
        assert Group.name in worker.said()

        worker.order("large", LARGE, CAP_MIB)
        pid = worker.until(lambda: written(group / "cgroup.procs"))
        assert pid == worker.child().pid
        assert (group.parent / "cgroup.subtree_control").read_text() == "+memory"
        granted_mib = int((group / "memory.max").read_text()) // MIB
        (group / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n")
        (group / "memory.peak").write_text(str(granted_mib * MIB))
        os.kill(pid, 9)
        failed = worker.first(ReportKind.FAILED, "large")
        assert failed.failure is FailureClass.OOM
        assert f"held {CAP_MIB} MiB and its cap is {CAP_MIB} MiB" in failed.message

        worker.order("next", LARGE, CAP_MIB)
        failed = worker.first(ReportKind.FAILED, "next")
        assert failed.failure is FailureClass.OOM, "the group could not be made again, so the watchdog held the run"
        assert f"cannot be held by {Group.name}" in worker.said()


def test_a_process_under_its_cap_is_left_alone() -> None:
    caps = Caps((Watchdog(),))
    child = growing_child(100)
    caps.enclose(child, 4000)
    time.sleep(0.5)
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert caps.release() is None


def test_an_overrun_is_told_until_the_next_process_is_held() -> None:
    cap_mib = psutil.Process().memory_info().rss // MIB + 200
    caps = Caps((Watchdog(),))
    child = growing_child(2000)
    caps.enclose(child, cap_mib)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == 9
    overrun = caps.release()
    assert overrun is not None
    assert cap_mib < overrun.held_mib < cap_mib + 500
    assert caps.release() == overrun

    child = growing_child(0)
    caps.enclose(child, cap_mib)
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert caps.release() is None


def test_a_process_that_is_gone_cannot_be_held() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(OSError, match=str(child)):
        Watchdog().enclose(child, 100)


def test_only_on_a_cpu_does_the_supervisor_hold_its_runs(tmp_path: Path) -> None:
    assert caps_of(settings(device="GPU-1")).name == "nothing"
    assert caps_of(settings()).name == Watchdog.name
    assert caps_of(settings(cgroup=tmp_path)).name == Group.name
    assert caps_of(settings(cgroup=tmp_path / "missing")).name == Watchdog.name


def written(path: Path) -> int | None:
    return int(path.read_text() or 0) or None if path.exists() else None
