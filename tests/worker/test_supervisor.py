from __future__ import annotations

import os
from pathlib import Path

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from orchestrator.redis_door import Redis, connect
from worker.link import Link
from worker.settings import WorkerSettings
from worker.spec import FailureClass, ReportKind, report_stream
from worker.supervisor import AttemptJob, _report_death


@pytest.fixture
def queue(redis: Redis, address: str) -> Queue:
    return Queue(
        "worker-w1", connection=connect(address, decode=False), serializer=JSONSerializer, job_class=AttemptJob
    )


@pytest.mark.parametrize(
    ("function", "arguments", "keywords"),
    [
        ("os.system", ("touch /tmp/owned",), {}),
        ("worker.job.run_attempt", ("a",), {}),
        ("worker.job.run_attempt", ("a", 7), {}),
        ("worker.job.run_attempt", ("a", "t"), {"more": 1}),
        ("builtins.eval", ("1", "2"), {}),
    ],
)
def test_a_job_that_is_not_an_attempt_is_refused(
    queue: Queue, function: str, arguments: tuple[object, ...], keywords: dict[str, object]
) -> None:
    job = queue.enqueue(function, args=arguments, kwargs=keywords)
    with pytest.raises(PermissionError, match=r"worker\.job\.run_attempt"):
        AttemptJob.fetch(job.id, connection=queue.connection, serializer=JSONSerializer).perform()


def test_a_job_brings_no_callbacks_along(queue: Queue) -> None:
    job = queue.enqueue("worker.job.run_attempt", args=("a", "t"), on_success="os.getcwd", on_failure="os.getcwd")
    fetched = AttemptJob.fetch(job.id, connection=queue.connection, serializer=JSONSerializer)
    assert (fetched.success_callback, fetched.failure_callback, fetched.stopped_callback) == (None, None, None)


def test_a_child_that_is_killed_is_reported_with_the_signal(queue: Queue, redis: Redis, address: str) -> None:
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), 9)
    _, status = os.waitpid(child, 0)
    job = queue.enqueue("worker.job.run_attempt", args=("a", "t"))
    settings = WorkerSettings("w1", address, Path("/nowhere"))
    _report_death(settings, job, status)
    ((_, fields),) = redis.xrange(report_stream("w1"))
    assert f'"failure":"{FailureClass.INFRA}"' in fields["report"]
    assert "SIGKILL" in fields["report"]
    assert f'"kind":"{ReportKind.FAILED}"' in fields["report"]


def test_an_attempt_is_taken_once_however_often_it_is_delivered(redis: Redis) -> None:
    first, other = Link(redis, "w1"), Link(redis, "w2")
    assert [first.take("a", "t"), other.take("a", "t"), other.take("a", "other")] == [True, False, True]
    assert first.take("a", "t"), "a call that the client repeats after a lost answer is the same delivery"
