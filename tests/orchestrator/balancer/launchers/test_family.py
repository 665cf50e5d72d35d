"""Processes of this machine, taken for a worker's or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.balancer.launchers.family import is_seen

WAITS = "print(flush=True); import sys; sys.stdin.read()"


@pytest.fixture
def pid() -> Iterator[int]:
    """A process that was started as the worker `1a2b3c4d`."""
    command = [sys.executable, "-c", WAITS, "--id", "1a2b3c4d"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid


def test_a_process_without_a_control_group_of_its_own_is_known_by_the_worker_it_names(pid: int) -> None:
    assert is_seen(pid, "f" * 64, "1a2b3c4d")


def test_a_process_is_known_by_its_control_group(pid: int) -> None:
    group = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()[0]
    assert is_seen(pid, group, "ffffffff")


def test_another_process_of_the_same_number_is_not_taken_for_the_worker(pid: int) -> None:
    assert not is_seen(pid, "f" * 64, "ffffffff")
    assert not is_seen(os.getpid(), "f" * 64, "1a2b3c4d")


def test_a_process_that_is_gone_is_not_seen() -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    assert not is_seen(int(ended.stdout), "f" * 64, "1a2b3c4d")
