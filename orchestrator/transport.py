"""How an order reaches a worker: the one module of this package that imports RQ.

RQ carries a run id and a token as JSON and nothing else; it is transport, the ledger is the truth. Delivery may be
repeated: the job id is the attempt, and a worker ignores an attempt that it has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

from worker.spec import JOB_FUNCTION, job_id, queue_name

if TYPE_CHECKING:
    from orchestrator.redis_door import Redis

_KEEP_S = 24 * 3600


class Transport:
    """Puts attempts on the queues of workers."""

    def __init__(self, redis: Redis) -> None:
        """`redis` must not decode responses."""
        self._redis = redis

    def deliver(self, worker_id: str, run_id: str, token: str) -> None:
        """Order a worker to execute an attempt; without effect where it was ordered before."""
        queue = Queue(queue_name(worker_id), connection=self._redis, serializer=JSONSerializer)
        try:
            queue.enqueue(
                JOB_FUNCTION,
                args=(run_id, token),
                job_id=job_id(run_id, token),
                job_timeout=-1,
                result_ttl=_KEEP_S,
                failure_ttl=_KEEP_S,
                unique=True,
            )
        except DuplicateJobError:
            return

    def forget(self, worker_id: str) -> None:
        """Remove the queue of a worker that is gone."""
        Queue(queue_name(worker_id), connection=self._redis, serializer=JSONSerializer).delete(delete_jobs=True)
