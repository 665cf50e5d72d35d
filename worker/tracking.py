"""What an attempt tells MLflow, from a thread of its own, so that training never waits for a server.

The one module of this package that imports MLflow. Each attempt has an MLflow run of its own; it begins with the
metrics that its checkpoint carries, at their own times, so the accepted run shows one whole history. While the server
is away everything is kept in order, and `finish` waits for it.
"""

from __future__ import annotations

import os
import platform
import queue
import threading
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from model.checkpoint import EpochRecord
from model.config import MODEL_FILE, RUNS, flatten
from model.errors import InputError
from worker.failures import TrackingError
from worker.spec import TAG_RUN_ID, TAG_SWEEP, TAG_TOKEN, RunSpec

_RETRY_S = 2.0
_METRICS_PER_CALL = 500
_PARAMS_PER_CALL = 100
_SYSTEM_EVERY_S = 5
_REQUEST_S = 20
_CLIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_REQUEST_S),
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_PACKAGES = ("keras", "tensorflow", "numpy", "mlflow", "hd-smlm")


class Experiment(NamedTuple):
    """Where the attempt belongs in MLflow."""

    experiment_id: str
    parent_run_id: str
    commit: str


class Tracker:
    """The MLflow run of one attempt."""

    def __init__(self, url: str, spec: RunSpec, token: str, find: Callable[[], Experiment | None]) -> None:
        """`find` gives the sweep's experiment, or None while MLflow does not have it yet."""
        self.mlflow_run_id = ""
        self._url, self._spec, self._token, self._find = url, spec, token, find
        self._steps: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._patience_until: float | None = None
        self._failed: Exception | None = None
        self._said = ""
        self._monitor: SystemMetricsMonitor | None = None
        os.environ |= _CLIENT
        self._client = mlflow.MlflowClient(tracking_uri=url)
        self._thread = threading.Thread(target=self._loop, name="tracker", daemon=True)

    def start(self) -> None:
        """Open the MLflow run as soon as the server has the experiment."""
        self._steps.put(self._open)
        self._thread.start()

    def epoch(self, record: EpochRecord) -> None:
        """Log what an epoch gave."""
        self._steps.put(lambda: self._log_metrics(record.metrics, record.epoch, record.at_ms))

    def scores(self, scores: Mapping[str, float], step: int) -> None:
        """Log the scores of the finished model."""
        at_ms = round(time.time() * 1000)
        self._steps.put(lambda: self._log_metrics(dict(scores), step, at_ms))

    def artifact(self, path: Path, folder: str = "") -> None:
        """Store a file, which must stay until `finish`."""
        self._steps.put(lambda: self._client.log_artifact(self.mlflow_run_id, str(path), folder or None))

    def finish(self, status: str, patience_s: float) -> None:
        """Send what is left and close the run with MLflow's `status`.

        Raises:
            TrackingError: the server was away for longer than `patience_s`, or refused.
        """
        self._patience_until = time.monotonic() + patience_s
        self._steps.put(lambda: self._close(status))
        self._steps.put(None)
        self._thread.join(patience_s + 2 * _REQUEST_S)
        if self._failed or self._thread.is_alive():
            raise TrackingError(f"MLflow at {self._url} did not take the results: {self._failed}")

    def parent(self, source: str) -> Path:
        """The network file that `training.init_from` names: a path, or `runs:/ID` for the model of an MLflow run.

        Raises:
            InputError: the server knows no such run.
            TrackingError: it cannot be asked, or the run has no network.
        """
        if not source.startswith(RUNS):
            return Path(source)
        os.environ |= _CLIENT
        run_id = source.removeprefix(RUNS)
        try:
            found = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=MODEL_FILE, tracking_uri=self._url)
        except mlflow.MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise InputError(
                    f"training.init_from: MLflow at {self._url} has no run {run_id}; check the id"
                ) from error
            raise TrackingError(f"training.init_from: {source} cannot be fetched from {self._url}: {error}") from error
        return Path(found)

    def _loop(self) -> None:
        while step := self._steps.get():
            while not self._try(step):
                time.sleep(_RETRY_S)
            if self._failed:
                return
            self._said = ""

    def _try(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except Exception as error:
            self._complain(f"MLflow: {error}; trying again")
            if self._patience_until and time.monotonic() > self._patience_until:
                self._failed = error
                return True
            return False
        return True

    def _complain(self, sentence: str) -> None:
        if sentence != self._said:
            print(sentence)
        self._said = sentence

    def _open(self) -> None:
        experiment = self._find()
        if experiment is None:
            raise TrackingError("the sweep's experiment is not there yet")
        if not self.mlflow_run_id:
            run = self._client.create_run(experiment.experiment_id, tags=self._tags(experiment))
            self.mlflow_run_id = run.info.run_id
        params = [Param(name, str(value)) for name, value in flatten(self._spec.config).items()]
        for start in range(0, len(params), _PARAMS_PER_CALL):
            self._client.log_batch(self.mlflow_run_id, params=params[start : start + _PARAMS_PER_CALL])
        self._client.log_dict(self.mlflow_run_id, self._spec.model_dump(mode="json"), "config.json")
        self._watch_system()

    def _watch_system(self) -> None:
        self._monitor = SystemMetricsMonitor(
            self.mlflow_run_id, sampling_interval=_SYSTEM_EVERY_S, tracking_uri=self._url
        )
        self._monitor.start()

    def _tags(self, experiment: Experiment) -> dict[str, str]:
        versions = {f"version.{name}": metadata.version(name) for name in _PACKAGES}
        axes = {f"axis.{name}": str(value) for name, value in self._spec.axes.items()}
        return {
            "mlflow.runName": self._spec.slug,
            "mlflow.parentRunId": experiment.parent_run_id,
            "mlflow.source.git.commit": experiment.commit,
            "mlflow.user": "worker",
            TAG_RUN_ID: self._spec.run_id,
            TAG_SWEEP: self._spec.sweep,
            TAG_TOKEN: self._token,
            "seed": str(self._spec.seed),
            "cell": str(self._spec.cell),
            "host": platform.node(),
            "version.python": platform.python_version(),
            **versions,
            **axes,
        }

    def _log_metrics(self, metrics: dict[str, float], step: int, at_ms: int) -> None:
        entries = [Metric(name, value, at_ms, step) for name, value in metrics.items()]
        for start in range(0, len(entries), _METRICS_PER_CALL):
            self._client.log_batch(self.mlflow_run_id, metrics=entries[start : start + _METRICS_PER_CALL])

    def _close(self, status: str) -> None:
        if self._monitor:
            _end_with_a_sample(self._monitor)
            self._monitor = None
        tags = [RunTag("attempt_status", status)]
        self._client.log_batch(self.mlflow_run_id, tags=tags)
        self._client.set_terminated(self.mlflow_run_id, status)


def _end_with_a_sample(monitor: SystemMetricsMonitor) -> None:
    """The monitor drops the sample that it was about to log; a short run would show none at all."""
    monitor.finish()
    monitor.collect_metrics()
    monitor.publish_metrics(monitor.aggregate_metrics())
    monitor.mlflow_logger.flush()
