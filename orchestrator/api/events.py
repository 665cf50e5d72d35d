"""What happens, as it happens: Server-Sent Events for runs, sweeps and workers.

Events of runs and sweeps come from a stream in Redis and have ids: a client that sends its last one goes on behind it,
and is told with `gap` where some are forgotten already. Events of workers are what changed between two snapshots of the
balancer; they have no ids, and begin with all workers that there are.
"""

from collections.abc import AsyncIterable, Iterator
from typing import Annotated, Any

from anyio import sleep, to_thread
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from orchestrator.backends.direct import Direct
from orchestrator.errors import ServiceError
from orchestrator.events import Event, events_after, is_too_old, latest
from orchestrator.redis_door import RedisError

_EVERY_S = 0.5
_RETRY_MS = 2000
_SHOWN = ("worker", "sweep", "device", "state", "run")
_LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,15}-[0-9]{1,15}$", description="Go on after this event."),
]
_Sweep = Annotated[str | None, Query(max_length=200, description="Events of this sweep only.")]


def event_routes(backend: Direct) -> APIRouter:
    """The stream."""
    routes = APIRouter(tags=["events"])

    def begin(last_event_id: _LastEventId = None) -> Tail:
        return Tail(backend, last_event_id)

    @routes.get("/events", response_class=EventSourceResponse)
    async def events(tail: Annotated[Tail, Depends(begin)], sweep: _Sweep = None) -> AsyncIterable[ServerSentEvent]:
        """Tell what happens until the client leaves. The data of each event is one object.

        * `run`: `run`, `sweep`, `from`, `state`, and the `worker` that has it
        * `sweep`: `sweep`, and what was done with it: `new` runs queued, `paused` (why; empty: it goes on), `held`
        * `worker`: `worker`, `sweep`, `device`, `state` (`gone` at last), `run`
        * `gap`: events after the id in `after` are forgotten; ask for the status anew
        """
        yield ServerSentEvent(comment="listening", retry=_RETRY_MS)
        while True:
            try:
                found = await to_thread.run_sync(tail.look)
            except (RedisError, ServiceError):
                return
            for event in found:
                if sweep is None or event.data.get("sweep") in (sweep, None):
                    yield event
            await sleep(_EVERY_S)

    return routes


class Tail:
    """Where one client stands."""

    def __init__(self, backend: Direct, last_event_id: str | None) -> None:
        """Raises ServiceError or RedisError where Redis does not answer."""
        self._backend = backend
        self._redis = backend.ledger.redis
        self._at = last_event_id or latest(self._redis)
        self._workers: dict[str, dict[str, Any]] = {}

    def look(self) -> list[ServerSentEvent]:
        """What has happened since the last look."""
        gap = [_gap(self._at)] if is_too_old(self._redis, self._at) else []
        found = events_after(self._redis, self._at)
        if found:
            self._at = found[-1].event_id
        return [*gap, *map(_told, found), *self._changed()]

    def _changed(self) -> Iterator[ServerSentEvent]:
        """Workers that are new or have changed, and those that are gone."""
        workers = {one["worker"]: {key: one[key] for key in _SHOWN} for one in self._backend.balancer()["workers"]}
        gone = {
            name: {**one, "state": "gone", "run": None} for name, one in self._workers.items() if name not in workers
        }
        for name, worker in (workers | gone).items():
            if self._workers.get(name) != worker:
                yield ServerSentEvent(event="worker", data=worker)
        self._workers = workers


def _told(event: Event) -> ServerSentEvent:
    fields: dict[str, Any] = dict(event.fields)
    kind = fields.pop("kind")
    if "new" in fields:
        fields["new"] = int(fields["new"])
    if "hold" in fields:
        fields["held"] = fields.pop("hold") == "1"
    if kind == "run":
        fields["worker"] = fields["worker"] or None
    return ServerSentEvent(event=kind, id=event.event_id, data=fields)


def _gap(after: str) -> ServerSentEvent:
    return ServerSentEvent(event="gap", data={"after": after})
