"""A worker's link to Redis: it reads its orders, and appends to a report stream of its own.

The one module of this package that imports the client library. A supervisor and the run in its child each open a
link of their own; connections do not survive a fork.
"""

from __future__ import annotations

import os
import time
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from worker.spec import (
    HEARTBEAT_TTL_S,
    MLFLOW_URL,
    Order,
    Report,
    ReportKind,
    RunSpec,
    control_key,
    heartbeat_key,
    pace_key,
    report_stream,
    run_key,
    sweep_key,
    taken_key,
)

RedisError = redis.exceptions.RedisError
_TAKEN_TTL_S = 7 * 24 * 3600


def connect(url: str, *, decode: bool = True) -> redis.Redis:
    """Connect, riding out interruptions of some 30 s."""
    return redis.Redis.from_url(
        url, decode_responses=decode, retry=Retry(ExponentialBackoff(cap=5.0, base=0.1), 10), health_check_interval=30
    )


class Link:
    """What one worker reads and says."""

    def __init__(self, client: redis.Redis, worker_id: str) -> None:
        self._redis = client
        self._worker_id = worker_id

    def beat(self) -> None:
        """Renew the worker's heartbeat."""
        self._redis.set(heartbeat_key(self._worker_id), str(time.time()), ex=HEARTBEAT_TTL_S)

    def take(self, run_id: str, token: str) -> bool:
        """Whether this is the first delivery of the attempt; a call that is repeated by this process counts as it."""
        taker = f"{self._worker_id}/{os.getpid()}"
        key = taken_key(run_id, token)
        return bool(self._redis.set(key, taker, nx=True, ex=_TAKEN_TTL_S)) or self._redis.get(key) == taker

    def spec(self, run_id: str) -> RunSpec:
        """The run as it was submitted.

        Raises:
            LookupError: the ledger does not know it.
        """
        text = self._redis.hget(run_key(run_id), "spec")
        if text is None:
            raise LookupError(f"the ledger knows no run {run_id}")
        return RunSpec.model_validate_json(text)

    def cap_mib(self, run_id: str) -> int:
        """Memory that the run may use now, MiB; 0: no limit."""
        return int(self._redis.hget(run_key(run_id), "cap_mib") or 0)

    def order(self, run_id: str, token: str) -> Order | None:
        """What the orchestrator asks of this attempt now."""
        text = self._redis.get(control_key(run_id, token))
        return Order(text) if text else None

    def experiment(self, sweep: str) -> tuple[str, str] | None:
        """Experiment and parent run of the sweep, once MLflow has them."""
        experiment_id, parent = self._redis.hmget(sweep_key(sweep), "experiment_id", "parent_run_id")
        return (experiment_id, parent) if experiment_id and parent else None

    def mlflow_url(self) -> str:
        """Address of the MLflow server."""
        return self._redis.get(MLFLOW_URL) or ""

    def commit(self, sweep: str) -> str:
        """Version of the code that submitted the sweep."""
        return self._redis.hget(sweep_key(sweep), "commit") or ""

    def say(self, kind: ReportKind, **fields: Any) -> None:
        """Append to the report stream."""
        self._redis.xadd(report_stream(self._worker_id), {"report": _report(kind, fields)})

    def tell_pace(self, **fields: Any) -> None:
        """Tell how far the attempt is and how fast it goes; only the latest word counts, and it wakes nobody."""
        self._redis.set(pace_key(self._worker_id), _report(ReportKind.PROGRESS, fields), ex=HEARTBEAT_TTL_S)


def _report(kind: ReportKind, fields: dict[str, Any]) -> str:
    return Report(kind=kind, at=time.time(), **fields).model_dump_json(exclude_defaults=True)
