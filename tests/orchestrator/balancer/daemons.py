"""A real balancer that a test steps by hand, over workers without a training stack."""

from __future__ import annotations

from dataclasses import replace

from rq import Queue
from rq.serializers import JSONSerializer

from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.readings import Reading
from orchestrator.ledger import Ledger
from orchestrator.records import Run
from orchestrator.redis_door import connect
from orchestrator.settings import BalancerSettings
from orchestrator.states import RunState
from orchestrator.transport import Transport
from tests.orchestrator.balancer.ghosts import FakeLauncher, FakeProbe, Ghost
from worker.spec import ReportKind, queue_name

ROOMY = FakeProbe((Reading("cpu", "CPU", 0.0, total_mib=16_000, free_mib=15_000, slots=2),))


def new_daemon(ledger: Ledger, leases: Leases, launcher: FakeLauncher, address: str) -> Daemon:
    transport = Transport(connect(address, decode=False))
    daemon = Daemon(ledger, leases, transport, FakeProbe(), launcher, BalancerSettings())
    daemon.departures = replace(daemon.departures, began=0.0)
    daemon.fencing_epoch = leases.next_fencing_epoch()
    return daemon


def steps(daemon: Daemon, count: int = 2) -> None:
    for _ in range(count):
        daemon.step(0)


def under_way(daemon: Daemon, launcher: FakeLauncher, run_id: str = "a") -> tuple[Ghost, Run]:
    """Bring the first worker up and its run to `running`."""
    steps(daemon)
    ghost = launcher.only()
    ghost.ready()
    steps(daemon)
    run = daemon.ledger.run(run_id)
    ghost.say(ReportKind.STARTED, run_id, run.token, epochs=3)
    steps(daemon)
    assert daemon.ledger.run(run_id).state is RunState.RUNNING
    return ghost, run


def end_back_off(daemon: Daemon, run_id: str) -> None:
    daemon.ledger.redis.zadd("hdsmlm:delayed", {run_id: 0})


def orders(address: str, worker_id: str) -> list[tuple[str, list[str]]]:
    queue = Queue(queue_name(worker_id), connection=connect(address, decode=False), serializer=JSONSerializer)
    return [(job.func_name, list(job.args)) for job in queue.jobs]
