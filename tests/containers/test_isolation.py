"""What cannot be done from inside the container of a worker, each tried there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.balancer.launchers.containers import LEASE
from tests.containers.installation import Installation
from tests.e2e.installation import wait_for, write_space
from tests.engine import docker

_CONNECT = """
import os
from worker.link import connect
from worker.redis_address import redis_address
client = connect(redis_address(os.environ))
"""
_REACHED = """
import socket
from concurrent.futures import ThreadPoolExecutor

def reach(other):
    host, port = other.split(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        return "reached"
    except OSError as error:
        return repr(error)

with ThreadPoolExecutor() as pool:
    for other, how in zip(others, pool.map(reach, others)):
        print(other, how)
"""


@pytest.fixture(scope="module")
def worker(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A container that trains, for as long as the tests of this module take, and never lacks work."""
    space = write_space(tmp_path_factory.mktemp("spaces"), "long", rates=1, seeds=3, epochs=10_000, steps=50)
    installation.submit(space)
    wait_for(lambda: installation.status("long")["running"])
    yield installation.workers()[0]
    installation.compose("exec", "-T", "orchestrator", "orchestrator", "cancel", "long", check=False)
    wait_for(lambda: installation.is_over("long"))


def attempt(worker: str, code: str) -> str:
    """What a Python program prints in there, errors too."""
    return docker("exec", worker, "sh", "-c", 'exec python3 -c "$0" 2>&1', code, check=False)


def test_who_works_there_is_an_ordinary_user_without_capabilities(worker: str) -> None:
    assert docker("exec", worker, "id", "--user").strip() == "10001"
    status = docker("exec", worker, "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_there_is_no_way_to_docker(worker: str) -> None:
    assert "No such file" in attempt(worker, "open('/var/run/docker.sock')")
    found = docker("exec", worker, "sh", "-c", "ls /run /var/run; env; cat /proc/mounts")
    assert "docker.sock" not in found


@pytest.mark.parametrize("path", ["/", "/usr/bin", "/opt/hdsmlm", "/var/lib/hdsmlm", "/data", "/worker-secrets"])
def test_nothing_can_be_written_outside_its_volumes(worker: str, path: str) -> None:
    assert "Error" in attempt(worker, f"open('{path}/intruder', 'w')")


@pytest.mark.parametrize("path", ["/tmp", "/cache", "/var/lib/hdsmlm/checkpoints", "/var/lib/hdsmlm/logs"])
def test_its_volumes_can_be_written(worker: str, path: str) -> None:
    assert attempt(worker, f"open('{path}/own', 'w'); import os; os.remove('{path}/own')") == ""


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG GET requirepass",
        "ACL LIST",
        "FLUSHALL",
        "SHUTDOWN",
        "SAVE",
        "REPLICAOF 1.2.3.4 6379",
        "MODULE LIST",
        "KEYS *",
        "CLIENT KILL TYPE normal",
        "SET hdsmlm:run:a b",
        "HSET hdsmlm:sweep:long paused no",
        "DEL hdsmlm:workers",
        "GET hdsmlm:balancer",
        "SET hdsmlm:control:a:b cancel",
    ],
)
def test_redis_is_administered_by_others(worker: str, command: str) -> None:
    said = attempt(worker, f"{_CONNECT}\nclient.execute_command(*{command.split()!r})")
    assert "NoPermissionError" in said or "no permissions" in said


def test_all_that_a_worker_says_is_heard(worker: str, installation: Installation) -> None:
    said = """
from worker.link import Link
from worker.spec import ReportKind
link = Link(client, "stranger")
link.beat()
link.tell_pace(run_id="r", token="t", epoch=1, steps_per_s=2.0)
link.say(ReportKind.READY)
print(link.take("r", "t"), link.order("r", "t"), link.experiment("s"), link.cap_mib("r"), link.commit("s"))
"""
    assert attempt(worker, _CONNECT + said) == "True None None 0 \n"
    wait_for(lambda: [one for one in installation.balancer()["workers"] if one["steps_per_s"]])


def test_nobody_but_redis_and_mlflow_can_be_reached(worker: str) -> None:
    others = ["postgres:5432", "orchestrator:8642", "balancer:22", "1.1.1.1:53"]
    said = attempt(worker, f"others = {others}\n{_REACHED}").splitlines()
    assert [line.split()[0] for line in said] == others
    assert [line for line in said if not any(sign in line for sign in ("gaierror", "unreachable", "timed out"))] == []


def test_redis_and_mlflow_can_be_reached(worker: str) -> None:
    said = attempt(worker, f"others = {['redis:6379', 'mlflow:5000']}\n{_REACHED}")
    assert said.splitlines() == ["redis:6379 reached", "mlflow:5000 reached"]


def test_no_job_but_its_own_is_executed(worker: str, installation: Installation) -> None:
    """Whoever can write to its queue still gets nothing but runs."""
    worker_id = docker("inspect", "--format", '{{index .Config.Labels "' + LEASE + '"}}', worker).strip()
    enqueue = f"""
import os
from rq import Queue
from rq.serializers import JSONSerializer
from worker.link import connect
from worker.redis_address import redis_address
client = connect(redis_address(os.environ), decode=False)
queue = Queue("worker-{worker_id}", connection=client, serializer=JSONSerializer)
queue.enqueue("os.system", "touch /var/lib/hdsmlm/checkpoints/intruder", job_id="evil")
print("queued")
"""
    assert "queued" in attempt(worker, enqueue)
    run_id = installation.redis("HGET", f"hdsmlm:worker:{worker_id}", "run_id")
    installation.call("orchestrator", "cancel", "long", run_id)
    wait_for(lambda: installation.redis("HGET", "rq:job:evil", "status") == "failed")
    assert "intruder" not in installation.compose("exec", "-T", "balancer", "ls", "/var/lib/hdsmlm/checkpoints")
