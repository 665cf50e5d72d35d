"""Whatever is killed in the middle of a sweep, it completes, each run is accepted once, and no container is left."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers.installation import Installation, kill_container
from tests.e2e.installation import wait_for, write_space
from tests.engine import docker

RESTART = "HDSMLM_TEST_ENGINE_RESTART"
"""A command that starts dockerd anew where nobody else does."""


def kill_a_worker(installation: Installation) -> None:
    kill_container(installation.workers()[0])


def kill_the_balancer(installation: Installation) -> None:
    installation.kill_service("balancer")


def kill_redis(installation: Installation) -> None:
    installation.kill_service("redis")


def kill_mlflow(installation: Installation) -> None:
    installation.kill_service("mlflow")


def remove_a_worker(installation: Installation) -> None:
    docker("rm", "--force", installation.workers()[0])


def kill_dockerd(_: Installation) -> None:
    subprocess.run(["pkill", "-KILL", "-x", "dockerd"], check=True)
    wait_for(lambda: subprocess.run(["pgrep", "-x", "dockerd"], stdout=subprocess.DEVNULL, check=False).returncode)
    if command := os.environ.get(RESTART):
        subprocess.run(shlex.split(command), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(_engine_answers, patience_s=60)


def _engine_answers() -> bool:
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "kill", [kill_a_worker, remove_a_worker, kill_the_balancer, kill_redis, kill_mlflow, kill_dockerd]
)
def test_a_sweep_completes_although(
    kill: Callable[[Installation], None], installation: Installation, tmp_path: Path
) -> None:
    name = kill.__name__.replace("_", "-")
    installation.submit(write_space(tmp_path, name, rates=2, seeds=2, epochs=4, steps=60))
    wait_for(lambda: installation.status(name)["running"])
    kill(installation)
    wait_for(lambda: _is_over(installation, name))
    assert installation.status(name)["finished"] == 4
    wait_for(lambda: len(installation.accepted(name)) == 4)
    assert len(set(installation.accepted(name))) == 4
    wait_for(lambda: not installation.workers(), patience_s=90)


def _is_over(installation: Installation, name: str) -> bool:
    """False also while nobody answers."""
    try:
        return installation.is_over(name)
    except AssertionError:
        return False


def test_nothing_is_lost_when_the_system_is_taken_down_and_up_in_the_middle(
    installation: Installation, tmp_path: Path
) -> None:
    installation.submit(write_space(tmp_path, "restart", rates=2, seeds=2, epochs=4, steps=60))
    wait_for(lambda: installation.status("restart")["running"])
    installation.compose("down")
    assert installation.workers() == []
    installation.compose("up", "--wait")
    wait_for(lambda: installation.is_over("restart"))
    assert installation.status("restart")["finished"] == 4
    wait_for(lambda: len(installation.accepted("restart")) == 4)
