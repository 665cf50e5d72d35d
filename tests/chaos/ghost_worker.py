"""A worker without a training stack, as a process that the real launcher starts: `python -m tests.chaos.ghost_worker`.

It beats, says that it is ready, takes orders from its RQ queue and forks a child for each, as the real one does. The
child plays the run's plan (`plans.py`): it holds memory of the GPU in the stand-in driver's state under its own pid,
reports, obeys the control key, and gives the memory back with its end. It leaves on SIGTERM, after its run.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
import traceback
from dataclasses import dataclass, field

import redis

from tests.chaos.ghost_attempt import Attempt
from tests.chaos.plans import Plan, attempts_key, plan_key, read_plan
from worker.link import Link, connect
from worker.redis_address import redis_address
from worker.spec import ReportKind, queue_name

_BEAT_EVERY_S = 1.0
_SHARE = 0.4
"""Of the time between two looks of its child, that between two looks of the supervisor."""
_POP_WITHIN_S = 0.2


@dataclass
class Supervisor:
    """The process that the launcher started."""

    worker_id: str
    url: str
    leaving: bool = False
    silent: bool = False
    _beat_at: float = 0.0
    _redis: redis.Redis = field(init=False)

    def serve(self) -> None:
        """Take orders until asked to leave."""
        signal.signal(signal.SIGTERM, self._leave)
        self._redis = connect(self.url)
        self._beat()
        Link(self._redis, self.worker_id).say(ReportKind.READY)
        while not self.leaving:
            self._beat()
            if popped := self._redis.blpop([f"rq:queue:{queue_name(self.worker_id)}"], timeout=_POP_WITHIN_S):
                self._execute(*popped[1].rsplit("-", 1))

    def _leave(self, *_: object) -> None:
        self.leaving = True

    def _beat(self) -> None:
        if self.silent or time.monotonic() - self._beat_at < _BEAT_EVERY_S:
            return
        Link(self._redis, self.worker_id).beat()
        self._beat_at = time.monotonic()

    def _execute(self, run_id: str, token: str) -> None:
        plan = read_plan(self._redis.get(plan_key(run_id)))
        attempt = int(self._redis.get(attempts_key(run_id)) or 0)
        plan = plan if attempt < plan.bad_attempts else plan.well()
        if plan.ends == "silent":
            self.silent = True
        child = os.fork()
        if child == 0:
            _in_child(self.worker_id, self.url, plan, run_id, token)
        while not os.waitpid(child, os.WNOHANG)[0]:
            self._beat()
            time.sleep(_SHARE * plan.look_every_s)
        self._redis.delete(f"rq:job:{run_id}-{token}")


def _in_child(worker_id: str, url: str, plan: Plan, run_id: str, token: str) -> None:
    code = 1
    try:
        client = connect(url)
        link = Link(client, worker_id)
        if link.take(run_id, token):
            Attempt(client, link, plan, run_id, token, worker_id).play()
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """What `worker` is for the balancer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installation", required=True)
    parser.add_argument("--id", required=True)
    Supervisor(parser.parse_args().id, redis_address(os.environ)).serve()


if __name__ == "__main__":
    main()
