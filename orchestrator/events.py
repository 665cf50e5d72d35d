"""What happened to runs and sweeps, in order: a stream in Redis, from which any number of readers can go on.

The scripts that move and create runs append to it in the same step, so that nothing happens untold; it keeps the last
10,000 events and a few more. Its entries are strings:

    kind run      run, sweep, from, state, worker (empty where it has none)
    kind sweep    sweep, and new (runs that were queued), paused (why, empty where it goes on) or hold
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from worker.spec import PREFIX

if TYPE_CHECKING:
    from orchestrator.redis_door import Redis

EVENTS = f"{PREFIX}:events"
OUTCOMES = f"{PREFIX}:outcomes"
"""How many attempts have ended, by the state that their run went to; `queued`: it will be tried again."""
KEPT = 10_000
_AT_ONCE = 200
_TOLD = ("paused", "hold")


class Event(NamedTuple):
    """One thing that happened; ids grow with time."""

    event_id: str
    fields: Mapping[str, str]


def announce(redis: Redis, sweep: str, fields: Mapping[str, str]) -> None:
    """Tell what a person or the balancer has set of a sweep."""
    if told := {name: fields[name] for name in _TOLD if name in fields}:
        redis.xadd(EVENTS, {"kind": "sweep", "sweep": sweep, **told}, maxlen=KEPT, approximate=True)


def events_after(redis: Redis, event_id: str) -> list[Event]:
    """The first events after this one, as many as are read at once."""
    return [Event(*entry) for entry in redis.xrange(EVENTS, min=f"({event_id}", count=_AT_ONCE)]


def latest(redis: Redis) -> str:
    """The id of the last event."""
    entries = redis.xrevrange(EVENTS, count=1)
    return str(entries[0][0]) if entries else "0-0"


def is_too_old(redis: Redis, event_id: str) -> bool:
    """Whether events after this one may be forgotten already."""
    first = redis.xrange(EVENTS, count=1)
    return bool(first) and redis.xlen(EVENTS) >= KEPT and _order(event_id) < _order(first[0][0])


def _order(event_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in event_id.split("-"))
