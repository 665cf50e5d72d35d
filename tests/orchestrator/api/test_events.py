from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from orchestrator.balancer.daemon import Daemon
from orchestrator.events import EVENTS, KEPT
from orchestrator.ledger import Ledger
from orchestrator.states import RunState
from tests.orchestrator.balancer.daemons import steps
from tests.orchestrator.balancer.ghosts import FakeLauncher
from tests.samples import submit

Events = Iterator[dict[str, Any]]


@contextmanager
def listening(client: httpx.Client, after: str | None = None, **params: str) -> Iterator[Events]:
    """The events of a stream, from the moment on at which it is open."""
    headers = {"Last-Event-ID": after} if after else {}
    with client.stream("GET", "/v1/events", params=params, headers=headers, timeout=20) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == ": listening"
        yield parsed(lines)


def parsed(lines: Iterator[str]) -> Events:
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            event[name] = json.loads(value) if name == "data" else value
        elif not line and "data" in event:
            yield event
            event = {}


def next_of(events: Events, kind: str) -> dict[str, Any]:
    return next(event for event in events if event["event"] == kind)


def test_what_a_person_and_the_ledger_do_is_told_as_it_happens(ledger: Ledger, client: httpx.Client) -> None:
    with listening(client) as events:
        submit(ledger, "a", sweep="wolf")
        assert next_of(events, "sweep")["data"] == {"sweep": "wolf", "new": 1}
        client.post("/v1/sweeps/wolf/pause")
        assert next_of(events, "sweep")["data"] == {"sweep": "wolf", "paused": "by a person"}
        client.post("/v1/sweeps/wolf/cancel", json={})
        told = next_of(events, "run")
        assert told["data"] == {"run": "a", "sweep": "wolf", "from": "queued", "state": "cancelled", "worker": None}
        client.post("/v1/sweeps/wolf/resume")
        assert next_of(events, "sweep")["data"] == {"sweep": "wolf", "paused": "", "held": False}


def test_who_comes_back_with_the_last_id_misses_nothing(ledger: Ledger, client: httpx.Client) -> None:
    with listening(client) as events:
        submit(ledger, "a", "b")
        last = next_of(events, "sweep")["id"]
    for run_id in "ab":
        ledger.move(run_id, RunState.CANCELLED)
    with listening(client, last) as events:
        assert [next_of(events, "run")["data"]["run"] for _ in "ab"] == ["a", "b"]


def test_who_stays_away_too_long_is_told_so(ledger: Ledger, client: httpx.Client) -> None:
    with ledger.redis.pipeline() as pipe:
        for number in range(KEPT + 1000):
            pipe.xadd(EVENTS, {"kind": "sweep", "sweep": f"s{number}", "new": 1}, maxlen=KEPT, approximate=True)
        pipe.execute()
    with listening(client, "5-0") as events:
        first = next(events)
        assert (first["event"], first["data"]) == ("gap", {"after": "5-0"})
        assert next(events)["event"] == "sweep"


def test_events_of_other_sweeps_can_be_left_out(ledger: Ledger, client: httpx.Client) -> None:
    with listening(client, sweep="wolf") as events:
        submit(ledger, "a", sweep="other")
        submit(ledger, "b", sweep="wolf")
        assert next_of(events, "sweep")["data"]["sweep"] == "wolf"


def test_workers_are_told_with_what_they_do(daemon: Daemon, launcher: FakeLauncher, client: httpx.Client) -> None:
    submit(daemon.ledger, "a", sweep="wolf")
    steps(daemon)
    (worker,) = launcher.ghosts
    with listening(client) as events:
        first = next_of(events, "worker")
        assert first["data"] == {"worker": worker, "sweep": "wolf", "device": "cpu", "state": "starting", "run": None}
        assert "id" not in first
        launcher.only().ready()
        steps(daemon, 3)
        assert next_of(events, "worker")["data"]["state"] in ("idle", "busy")
        daemon.ledger.redis.delete("hdsmlm:balancer")
        seen: dict[str, Any] = {}
        while seen.get("state") != "gone":
            seen = next_of(events, "worker")["data"]
        assert seen["worker"] == worker


@pytest.mark.parametrize("last", ["x", "1", "-1-0", "9" * 20 + "-0", "0-0; DROP"])
def test_an_id_that_is_none_is_refused(client: httpx.Client, last: str) -> None:
    answer = client.get("/v1/events", headers={"Last-Event-ID": last})
    assert (answer.status_code, "Last-Event-ID" in answer.json()["error"]) == (422, True)


def test_a_stream_stays_open_while_nothing_happens(ledger: Ledger, client: httpx.Client) -> None:
    with listening(client) as events:
        time.sleep(1.2)
        submit(ledger, "a")
        assert next_of(events, "sweep")["data"]["new"] == 1
