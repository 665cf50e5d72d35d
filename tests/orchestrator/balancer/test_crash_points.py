"""The balancer is killed with SIGKILL after every single write of a run's life, each in turn; the next one goes on.

The daemon runs in a process of its own, over a real Redis. Its workers are names in Redis that a second process plays:
they outlive every daemon, as real workers do.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from redis.connection import AbstractConnection

from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.launchers.port import Launched
from orchestrator.balancer.leases import Leases
from orchestrator.ledger import Ledger
from orchestrator.records import Worker
from orchestrator.redis_door import Redis, connect
from orchestrator.settings import BalancerSettings
from orchestrator.states import RunState
from orchestrator.transport import Transport
from tests.orchestrator.balancer.ghosts import FakeProbe
from tests.samples import submit
from worker.link import Link
from worker.spec import PREFIX, ReportKind, queue_name, report_stream

ALIVE, LEAVING, EXECUTED = "test:alive", "test:leaving", "test:executed"
DOOMED = "test:doomed"
"""How many workers still are to die under their run."""
RECONCILED_WITHIN_S = 10
_HEARD_WITHIN_S = 1.0
WRITES = {
    b"SET",
    b"HSET",
    b"HDEL",
    b"SADD",
    b"SREM",
    b"DEL",
    b"XADD",
    b"XDEL",
    b"EVALSHA",
    b"RPUSH",
    b"INCR",
    b"HINCRBY",
}
SETTINGS = BalancerSettings(tick_s=0.005, idle_worker_s=0.0, stop_grace_s=5.0)


@dataclass
class StoredLauncher:
    """Launches workers that exist in Redis only, and so outlive the daemon."""

    redis: Redis

    def start(self, worker: Worker) -> None:
        self.redis.sadd(ALIVE, worker.worker_id)

    def alive(self) -> dict[str, Launched]:
        return {name: Launched(name, 100) for name in self.redis.smembers(ALIVE)}

    def resize(self, worker_id: str, lease_mib: int) -> None:
        pass

    def ask_to_leave(self, worker_id: str) -> None:
        self.redis.sadd(LEAVING, worker_id)

    def kill(self, worker_id: str) -> None:
        self.redis.srem(ALIVE, worker_id)


def balance(address: str) -> None:
    """Balance until killed, or until every run is over and every worker is gone."""
    redis = connect(address)
    ledger, leases = Ledger(redis), Leases(redis)
    transport = Transport(connect(address, decode=False))
    daemon = Daemon(ledger, leases, transport, FakeProbe(), StoredLauncher(redis), SETTINGS)
    daemon.departures = replace(daemon.departures, began=0.0)
    daemon.fencing_epoch = leases.next_fencing_epoch()
    while not at_rest(redis):
        daemon.step(SETTINGS.tick_s)


def at_rest(redis: Redis) -> bool:
    over = Ledger(redis).counts("s")[RunState.FINISHED] == 1
    return over and not (redis.exists(ALIVE) or Leases(redis).workers())


def play_workers(address: str) -> None:
    """What real workers do: greet, take orders once, report, and leave when asked."""
    redis = connect(address)
    greeted: set[str] = set()
    while True:
        for worker_id in redis.smembers(ALIVE):
            link = Link(redis, worker_id)
            link.beat()
            if worker_id not in greeted:
                greeted.add(worker_id)
                link.say(ReportKind.READY)
            if order := redis.lpop(f"rq:queue:{queue_name(worker_id)}"):
                execute(redis, worker_id, *order.split("-"))
            elif redis.sismember(LEAVING, worker_id):
                redis.srem(ALIVE, worker_id)
        time.sleep(0.002)


def execute(redis: Redis, worker_id: str, run_id: str, token: str) -> None:
    link = Link(redis, worker_id)
    if link.take(run_id, token):
        redis.rpush(EXECUTED, token)
        about = {"run_id": run_id, "token": token}
        link.say(ReportKind.STARTED, **about, epochs=1)
        if redis.decr(DOOMED) >= 0:
            redis.srem(ALIVE, worker_id)
            return
        be_heard(redis, worker_id)
        link.say(ReportKind.PROGRESS, **about, epoch=1, metrics={"val_f1": 0.5}, peak_mib=900)
        be_heard(redis, worker_id)
        link.say(ReportKind.FINISHED, **about, mlflow_run_id=token, metrics={"val_f1": 0.9})


def be_heard(redis: Redis, worker_id: str) -> None:
    """Wait for a balancer to enter what was said, so that each report makes writes of its own."""
    deadline = time.monotonic() + _HEARD_WITHIN_S
    while redis.xlen(report_stream(worker_id)) and time.monotonic() < deadline:
        time.sleep(0.001)


def fork(function: Callable[..., None], *arguments: object) -> int:
    """A process that calls the function and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            function(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def ends_well(pid: int, within_s: float) -> bool:
    """Whether the process ends by itself in time, and as it should."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def balance_until_write(address: str, fatal: int) -> None:
    """Balance; the process is killed right after it has sent its write number `fatal`."""
    send, written = AbstractConnection.send_packed_command, 0

    def counting(self: AbstractConnection, command: object, check_health: bool = True) -> None:
        nonlocal written
        send(self, command, check_health)
        if is_write(command):
            written += 1
            if written == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    AbstractConnection.send_packed_command = counting  # type: ignore[method-assign]
    balance(address)


def is_write(command: object) -> bool:
    packed = command if isinstance(command, bytes) else b"".join(command)  # type: ignore[arg-type]
    words = set(packed.split(b"\r\n"))
    return bool(words & WRITES) and f"{PREFIX}:balancer".encode() not in words


def leftovers(redis: Redis) -> list[str]:
    kinds = ("worker:*", "reports:*", "delayed", "sweep:s:queue:*")
    return [key for kind in kinds for key in redis.scan_iter(f"{PREFIX}:{kind}")] + list(redis.scan_iter("rq:queue:*"))


@pytest.fixture
def players(address: str) -> Iterator[None]:
    """The workers of every daemon of the test."""
    pid = fork(play_workers, address)
    yield
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("players")
@pytest.mark.parametrize("deaths", [0, 1])
def test_whichever_write_is_the_last_one_of_a_balancer_the_next_one_goes_on(
    redis: Redis, address: str, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    monkeypatch.setattr("orchestrator.balancer.reports._FIRST_BACKOFF_S", 0.01)
    fatal, came_to_rest = 0, False
    while not came_to_rest:
        fatal += 1
        redis.flushall()
        redis.set(DOOMED, deaths)
        submit(Ledger(redis), "a")
        came_to_rest = ends_well(fork(balance_until_write, address, fatal), RECONCILED_WITHIN_S)
        assert ends_well(fork(balance, address), RECONCILED_WITHIN_S), f"not reconciled after write {fatal}"
        run, executed = Ledger(redis).run("a"), redis.lrange(EXECUTED, 0, -1)
        assert (len(executed), executed[-1]) == (deaths + 1, run.accepted_token), f"after write {fatal}"
        assert (run.mlflow_run_id, run.attempts) == (run.accepted_token, deaths + 1)
        assert leftovers(redis) == [], f"after write {fatal}"
    assert fatal > 30, "the life of a run has more writes than that"
