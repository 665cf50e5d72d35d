"""Workers and their leases in Redis, and what the workers report.

A lease is written here before its worker is launched and removed when the worker is gone and its memory was seen free,
so memory that was promised is never forgotten, whoever dies in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from orchestrator.ledger import STILLBORN, WAKE
from orchestrator.records import Worker, WorkerState
from worker.spec import PREFIX, Report, heartbeat_key, pace_key, report_stream, sweep_key

if TYPE_CHECKING:
    from orchestrator.redis_door import Redis

_log = logging.getLogger(__name__)

WORKERS = f"{PREFIX}:workers"
FENCING_EPOCH = f"{PREFIX}:fencing-epoch"
SHUTDOWN = f"{PREFIX}:shutdown"
"""Set while every worker is asked to leave."""


class Entry(NamedTuple):
    """One report with its place in a worker's stream."""

    worker_id: str
    entry_id: str
    report: Report


class Heard(NamedTuple):
    """What there was to hear."""

    entries: list[Entry]
    woken: bool
    """Whether somebody has changed something that workers do not report."""
    fencing_epoch: int
    """That of the balancer that was started last."""


class Signs(NamedTuple):
    """Signs of life."""

    beating: set[str]
    """Workers whose heartbeat has not run out."""
    paces: list[Report]
    """The latest that each told of how fast its run goes."""


class Leases:
    """Reads and writes worker hashes."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def next_fencing_epoch(self) -> int:
        """Count this start of a balancer."""
        return int(self.redis.incr(FENCING_EPOCH))

    def shutting_down(self) -> bool:
        """Whether every worker is to leave."""
        return bool(self.redis.exists(SHUTDOWN))

    def shut_down(self, *, wanted: bool) -> None:
        """Ask every worker to leave, or allow workers again."""
        if wanted:
            self.redis.set(SHUTDOWN, "1")
        else:
            self.redis.delete(SHUTDOWN)

    def workers(self) -> list[Worker]:
        """All workers that hold a lease, the oldest first."""
        ids = sorted(self.redis.smembers(WORKERS))
        with self.redis.pipeline() as pipe:
            for worker_id in ids:
                pipe.hgetall(_key(worker_id))
            found = zip(ids, pipe.execute(), strict=True)
        workers = [Worker.from_hash(fields, worker_id=worker_id) for worker_id, fields in found if fields]
        return sorted(workers, key=lambda worker: worker.created_at)

    def worker(self, worker_id: str) -> Worker | None:
        """One worker that holds a lease."""
        fields = self.redis.hgetall(_key(worker_id))
        return Worker.from_hash(fields, worker_id=worker_id) if fields else None

    def grant(self, worker: Worker) -> None:
        """Write a lease down, before its worker is launched."""
        fields = worker.model_dump(mode="json", exclude={"worker_id"}, exclude_defaults=True)
        with self.redis.pipeline() as pipe:
            pipe.hset(_key(worker.worker_id), mapping={name: _text(value) for name, value in fields.items()})
            pipe.sadd(WORKERS, worker.worker_id)
            pipe.execute()

    def mark(self, worker_id: str, state: WorkerState) -> None:
        """Set a worker's state."""
        self.redis.hset(_key(worker_id), mapping={"state": state, "idle_since": time.time()})

    def note(self, worker_id: str, **fields: str | float) -> None:
        """Set other fields of a worker; without effect on one whose lease has ended."""
        if self.redis.exists(_key(worker_id)):
            self.redis.hset(_key(worker_id), mapping=cast("Any", fields))

    def welcome(self, worker_id: str) -> None:
        """Let a worker that is starting have runs; without effect on one that has been welcomed before."""
        state, sweep = self.redis.hmget(_key(worker_id), "state", "sweep")
        if state == WorkerState.STARTING:
            self.mark(worker_id, WorkerState.IDLE)
            self.redis.hdel(sweep_key(sweep), STILLBORN)

    def stillborn(self, sweep: str) -> int:
        """Count one more worker of the sweep that ended before it was ready; gives how many have in a row."""
        return int(self.redis.hincrby(sweep_key(sweep), STILLBORN, 1))

    def delivered(self, worker_ids: Iterable[str]) -> None:
        """Remember that RQ has the orders of these workers."""
        with self.redis.pipeline() as pipe:
            for worker_id in worker_ids:
                pipe.hset(_key(worker_id), "delivered", "1")
            pipe.execute()

    def release(self, worker: Worker) -> None:
        """Enter that a worker is gone; its lease counts until its memory is seen free."""
        left_nothing = int(not (worker.run_id or worker.settling_since))
        fields = {"state": WorkerState.RELEASING, "gone_at": time.time(), "left_nothing": left_nothing}
        with self.redis.pipeline() as pipe:
            pipe.hset(_key(worker.worker_id), mapping=cast("Any", fields))
            pipe.hdel(_key(worker.worker_id), "run_id", "delivered")
            pipe.delete(*_said_by(worker.worker_id))
            pipe.execute()

    def end(self, worker_id: str) -> None:
        """Forget a worker that is gone, and its lease."""
        with self.redis.pipeline() as pipe:
            pipe.srem(WORKERS, worker_id)
            pipe.delete(_key(worker_id), *_said_by(worker_id))
            pipe.execute()

    def signs(self, worker_ids: Sequence[str]) -> Signs:
        """What workers say without being asked, and without waking anybody."""
        keys = [*map(heartbeat_key, worker_ids), *map(pace_key, worker_ids)]
        found = self.redis.mget(keys) if keys else []
        beating = {name for name, beat in zip(worker_ids, found, strict=False) if beat}
        told = filter(None, found[len(worker_ids) :])
        return Signs(beating, [report for text in told if (report := _read({"report": text}))])

    def reports(self, worker_ids: Iterable[str], wait_s: float) -> Heard:
        """What workers said since, waiting up to `wait_s` for something to happen."""
        streams = {report_stream(worker_id): worker_id for worker_id in worker_ids}
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.xread({**dict.fromkeys(streams, "0"), WAKE: "0"}, count=200, block=max(1, round(wait_s * 1000)))
            pipe.get(FENCING_EPOCH)
            answer, epoch = pipe.execute()
        entries, woken = [], False
        for stream, said in answer or []:
            for entry_id, fields in said:
                if stream == WAKE:
                    woken = True
                    self.redis.xdel(WAKE, entry_id)
                elif report := _read(fields):
                    entries.append(Entry(streams[stream], entry_id, report))
                else:
                    self.redis.xdel(stream, entry_id)
        return Heard(entries, woken, int(epoch or 0))

    def applied(self, entries: Iterable[Entry]) -> None:
        """Forget reports that the ledger now shows."""
        with self.redis.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.xdel(report_stream(entry.worker_id), entry.entry_id)
            pipe.execute()


def _key(worker_id: str) -> str:
    return f"{PREFIX}:worker:{worker_id}"


def _said_by(worker_id: str) -> tuple[str, str, str]:
    """Keys that a worker writes."""
    return report_stream(worker_id), heartbeat_key(worker_id), pace_key(worker_id)


def _read(fields: dict[str, str]) -> Report | None:
    try:
        return Report.model_validate_json(fields["report"])
    except (ValueError, KeyError) as error:
        _log.error("a report cannot be read and is dropped: %s: %s", fields, error)
        return None


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
