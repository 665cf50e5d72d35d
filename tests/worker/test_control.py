from __future__ import annotations

import os
import time

import pytest

from orchestrator.redis_door import Redis
from worker.control import Control
from worker.failures import CancelledError, ReleasedError, TimeLimitError, classify
from worker.link import Link
from worker.spec import FailureClass, Order, control_key


def heard(control: Control) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        control.check()
        time.sleep(0.01)


@pytest.mark.parametrize(("order", "error"), [(Order.RELEASE, ReleasedError), (Order.CANCEL, CancelledError)])
def test_an_order_under_the_attempts_key_stops_the_training(redis: Redis, order: Order, error: type[Exception]) -> None:
    control = Control(Link(redis, "w1"), "a", "t", None)
    control.watch()
    control.check()
    redis.set(control_key("a", "t"), order)
    with pytest.raises(error):
        heard(control)
    control.stop()


def test_an_order_for_another_attempt_is_not_ours(redis: Redis) -> None:
    redis.set(control_key("a", "other"), Order.CANCEL)
    control = Control(Link(redis, "w1"), "a", "t", None)
    control.watch()
    time.sleep(0.6)
    control.check()
    control.stop()


def test_an_attempt_stops_when_its_time_is_over(redis: Redis) -> None:
    control = Control(Link(redis, "w1"), "a", "t", timeout_s=1e-9)
    with pytest.raises(TimeLimitError):
        control.check()


def test_a_child_ends_when_its_supervisor_dies(redis: Redis) -> None:
    reader, writer = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        child = os.fork()
        if child == 0:
            Control(Link(redis, "w1"), "a", "t", None).watch()
            os.write(writer, f"{os.getpid()}\n".encode())
            time.sleep(60)
        time.sleep(60)
    child = int(os.read(reader, 100))
    os.kill(supervisor, 9)
    os.waitpid(supervisor, 0)
    deadline = time.monotonic() + 10
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("boom"), FailureClass.USER),
        (MemoryError(), FailureClass.OOM),
        (type("ResourceExhaustedError", (Exception,), {})("OOM when allocating"), FailureClass.OOM),
        (TimeLimitError("late"), FailureClass.TIMEOUT),
        (ConnectionResetError(), FailureClass.INFRA),
    ],
)
def test_a_failure_has_its_class_and_a_signature_without_the_particulars(error: Exception, kind: FailureClass) -> None:
    try:
        raise error
    except Exception as caught:
        failure = classify(caught)
    assert failure.kind is kind
    assert failure.signature.startswith(type(error).__name__)
    assert "boom" not in failure.signature


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
