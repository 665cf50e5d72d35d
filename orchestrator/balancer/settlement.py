"""Brings MLflow in line with the ledger, in a thread of its own: the balancer never waits for it.

For every sweep, one experiment with one parent run. For every run that left a worker: the accepted attempt is tagged,
each other one is killed and hidden, and nothing is left RUNNING that nobody runs. What is still to be settled is kept
in Redis, so neither a restart nor an MLflow server that is away loses any of it.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from orchestrator.errors import ServiceError
from orchestrator.experiment import Attempt, Experiments, MlflowStatus
from orchestrator.ledger import UNSETTLED, Ledger
from orchestrator.records import Run
from orchestrator.states import UNDER_WAY, RunState
from worker.spec import sweep_key

_log = logging.getLogger(__name__)
_PAUSE_S = 0.5
_RETRY_S = 2.0


class Settlement:
    """Settles until told to stop."""

    def __init__(self, ledger: Ledger, experiments: Experiments, checkpoints: Path) -> None:
        """`checkpoints` holds a folder for each run, which goes when the run has its result."""
        self._ledger = ledger
        self._checkpoints = checkpoints
        self._experiments = experiments
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="settlement", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the call under way."""
        self._stop.set()
        self._thread.join(timeout=30)

    def settle(self) -> None:
        """Do all that is to be done now.

        Raises:
            ServiceError: MLflow is away; nothing is lost.
        """
        failures = [
            *self._each(self._open, [name for name in self._ledger.sweeps() if not self._is_open(name)]),
            *self._each(self._settle_run, self._ledger.redis.smembers(UNSETTLED)),
            *self._each(self._settle_parent, filter(self._is_open, self._ledger.sweeps())),
        ]
        if failures:
            raise failures[0]

    def _each(self, settle: Callable[[str], None], names: Iterable[str]) -> Iterator[ServiceError]:
        """Settle all that can be; what fails keeps nothing else waiting."""
        for name in names:
            try:
                settle(name)
            except ServiceError as error:
                yield error

    def _is_open(self, name: str) -> bool:
        return bool(self._ledger.sweep(name).parent_run_id)

    def _loop(self) -> None:
        pause_s, away = 0.0, False
        while not self._stop.wait(pause_s):
            try:
                self.settle()
                pause_s, away = _PAUSE_S, False
            except ServiceError as error:
                if not away:
                    _log.info("MLflow is to be told later: %s", error)
                pause_s, away = _RETRY_S, True
            except Exception:
                _log.exception("settlement failed; trying again")
                pause_s = _RETRY_S

    def _open(self, name: str) -> None:
        sweep = self._ledger.sweep(name)
        experiment_id = self._experiments.ensure_experiment(sweep.name)
        tags = {"mlflow.note.content": sweep.description, "mlflow.source.git.commit": sweep.commit}
        parent = self._experiments.ensure_parent(experiment_id, sweep.name, {k: v for k, v in tags.items() if v})
        self._ledger.mark_sweep(sweep.name, experiment_id=experiment_id, parent_run_id=parent)

    def _settle_run(self, run_id: str) -> None:
        run = self._ledger.run(run_id)
        experiment_id = self._ledger.sweep(run.sweep).experiment_id
        if not experiment_id:
            return
        for attempt in self._experiments.attempts(experiment_id, run_id):
            self._settle_attempt(run, attempt)
        if run.state is RunState.FINISHED:
            shutil.rmtree(self._checkpoints / run_id, ignore_errors=True)
        self._ledger.redis.srem(UNSETTLED, run_id)
        now = self._ledger.run(run_id)
        if (now.state, now.token) != (run.state, run.token):
            self._ledger.redis.sadd(UNSETTLED, run_id)

    def _settle_attempt(self, run: Run, attempt: Attempt) -> None:
        is_last_word = run.state is RunState.FAILED and attempt.status is MlflowStatus.FAILED
        if attempt.mlflow_run_id == run.mlflow_run_id:
            self._experiments.accept(attempt.mlflow_run_id)
        elif attempt.token != run.token and not is_last_word:
            self._experiments.close(attempt.mlflow_run_id, MlflowStatus.KILLED)
            self._experiments.delete(attempt.mlflow_run_id)

    def _settle_parent(self, name: str) -> None:
        sweep = self._ledger.sweep(name)
        counts = self._ledger.counts(sweep.name)
        wanted = MlflowStatus.RUNNING if any(counts[state] for state in UNDER_WAY) else MlflowStatus.FINISHED
        shown = self._ledger.redis.hget(sweep_key(sweep.name), "parent_status") or MlflowStatus.RUNNING
        if shown != wanted:
            self._experiments.close(sweep.parent_run_id, wanted)
            self._ledger.mark_sweep(sweep.name, parent_status=wanted)
