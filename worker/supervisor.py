"""The supervisor: imports the training stack once, takes orders from RQ and forks a child for each run.

The one module of this package that imports RQ. Nothing here may run a TensorFlow operation or touch a GPU: a child
forked after that hangs. The job class executes one function by name, with a run id and a token, and no callbacks,
whatever else is put on the queue. The child is held under the worker's cap (`worker.caps`) from its fork to its death.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
from typing import Any

from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from worker.caps import Caps, Overrun, caps_of
from worker.link import Link, RedisError, connect
from worker.memory import steady_allocator
from worker.settings import WorkerSettings
from worker.spec import JOB_FUNCTION, PROCESS_ENDED, FailureClass, ReportKind, queue_name

_BEAT_EVERY_S = 3.0


class AttemptJob(Job):
    """An RQ job that can be one thing only."""

    success_callback = failure_callback = stopped_callback = None

    def perform(self) -> Any:
        """Execute the attempt.

        Raises:
            PermissionError: the job names another function, or other arguments.
        """
        strings = len(self.args) == 2 and all(isinstance(value, str) for value in self.args)
        if self.func_name != JOB_FUNCTION or not strings or self.kwargs:
            raise PermissionError(f"this worker executes {JOB_FUNCTION}(run id, token) and nothing else")
        return super().perform()


class Supervisor(Worker):
    """An RQ worker that holds its child under a cap and tells why it died."""

    settings: WorkerSettings
    caps: Caps

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Fork the child and hold it; in the child this does not return."""
        cap_mib = _link(self.settings).cap_mib(job.args[0])
        super().fork_work_horse(job, queue)
        self.caps.enclose(self.horse_pid, cap_mib)

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Any) -> None:
        """Wait for the child and let go of what is left of it."""
        try:
            super().monitor_work_horse(job, queue, execution)
        finally:
            self.caps.release()

    def handle_work_horse_killed(self, job: Job, retpid: int, ret_val: int, rusage: Any) -> None:
        """Report a child that ended without a word."""
        _report_death(self.settings, job, ret_val, self.caps.release())


def serve(settings: WorkerSettings) -> None:
    """Take orders until asked to leave."""
    steady_allocator()
    import worker.job  # noqa: F401  the training stack, so that children are forked with it

    gc.collect()
    gc.freeze()
    stop = threading.Event()
    threading.Thread(target=_beat, args=(settings, stop), name="heartbeat", daemon=True).start()
    connection = connect(settings.redis_url, decode=False)
    queue = Queue(queue_name(settings.worker_id), connection=connection, serializer=JSONSerializer)
    supervisor = Supervisor(
        [queue],
        name=f"hdsmlm-{settings.worker_id}",
        connection=connection,
        serializer=JSONSerializer,
        job_class=AttemptJob,
    )
    supervisor.settings, supervisor.caps = settings, caps_of(settings)
    print(f"worker: runs are held by {supervisor.caps.name}", flush=True)
    _link(settings).say(ReportKind.READY)
    supervisor.work(logging_level="WARNING")
    stop.set()


def _beat(settings: WorkerSettings, stop: threading.Event) -> None:
    link = _link(settings)
    while True:
        try:
            link.beat()
        except RedisError:
            link = _link(settings)
        if stop.wait(_BEAT_EVERY_S):
            return


def _report_death(settings: WorkerSettings, job: Job, status: int, overrun: Overrun | None = None) -> None:
    """Tell of a child that ended without a word: out of memory under its own cap, or killed by somebody."""
    run_id, token = job.args
    cause = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit code {status >> 8}"
    if overrun:
        kind, cause, why = FailureClass.OOM, "its cap", f"{overrun}; give it more memory, or a smaller batch or patch"
    else:
        kind, why = FailureClass.INFRA, f"`orchestrator logs {run_id}` shows its last words"
    _link(settings).say(
        ReportKind.FAILED,
        run_id=run_id,
        token=token,
        failure=kind,
        signature=f"{PROCESS_ENDED} {cause}",
        message=f"the run's process was ended by {cause}; {why}",
        peak_mib=overrun.held_mib if overrun else 0,
    )


def _link(settings: WorkerSettings) -> Link:
    return Link(connect(settings.redis_url), settings.worker_id)
