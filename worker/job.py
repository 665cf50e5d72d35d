"""One attempt, from its order to its report: the function that RQ calls in a forked child."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras

from model.checkpoint import Checkpoints, EpochRecord, Progress
from model.results import write_results
from model.training import Listener, train
from worker.accelerator import cap_accelerator
from worker.control import Control
from worker.failures import CancelledError, ReleasedError, classify
from worker.link import Link, RedisError, connect
from worker.memory import peak_mib
from worker.settings import WorkerSettings, from_environment
from worker.spec import CPU_DEVICE, ReportKind, RunSpec
from worker.tracking import Experiment, Tracker

_PATIENCE_S = 600.0
_BRIEF_PATIENCE_S = 5.0


def run_attempt(run_id: str, token: str) -> None:
    """Train a run as the holder of `token`, and report how it went. A repeated delivery is ignored.

    Where not even that can be reported, the process ends with an error, which its supervisor reports.
    """
    try:
        settings = from_environment(os.environ["HDSMLM_WORKER_ID"])
        link = Link(connect(settings.redis_url), settings.worker_id)
        if link.take(run_id, token):
            with _output_to(settings.log(run_id, token)):
                _Attempt(settings, link, link.spec(run_id), token).execute()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


class _Attempt:
    """The parts of one attempt, and what they tell each other."""

    def __init__(self, settings: WorkerSettings, link: Link, spec: RunSpec, token: str) -> None:
        self._settings, self._link, self._spec, self._token = settings, link, spec, token
        self._checkpoints = Checkpoints(settings.checkpoints, spec.run_id, token)
        self._control = Control(link, spec.run_id, token, spec.timeout_s)
        self._tracker = Tracker(link.mlflow_url(), spec, token, self._experiment)
        self._epochs = spec.config.training.epochs
        self._cap_mib = link.cap_mib(spec.run_id)
        self._latest: dict[str, float] = {}
        self._computes = settings.device == CPU_DEVICE
        """Whether the device may be asked what it holds; a GPU not before it is capped."""

    def execute(self) -> None:
        """Train, then report exactly one of finished, failed and released; who cancels also closes the MLflow run."""
        print(f"run {self._spec.run_id} ({self._spec.slug}) of sweep {self._spec.sweep}, attempt {self._token}")
        self._say(ReportKind.STARTED)
        self._control.watch()
        self._tracker.start()
        try:
            self._train()
        except CancelledError:
            self._say(ReportKind.RELEASED)
        except ReleasedError:
            self._leave("KILLED")
            self._say(ReportKind.RELEASED)
        except Exception as error:
            traceback.print_exc()
            failure = classify(error, **self._on_accelerator())
            self._leave("FAILED")
            self._say(ReportKind.FAILED, failure=failure.kind, signature=failure.signature, message=failure.message)

    def _train(self) -> None:
        cap_accelerator(self._settings.device, self._cap_mib, keras.backend.backend())
        self._computes = True
        listener = Listener(self._began, self._advanced, self._epoch_ended)
        trained = train(self._spec.config, self._checkpoints, self._control.check, listener, self._tracker.parent)
        scores = trained.evaluation.scores
        self._tracker.scores(scores, step=len(trained.progress.history))
        with tempfile.TemporaryDirectory(prefix="hdsmlm-results-") as folder:
            for path, place in write_results(trained, self._spec.config, Path(folder)):
                self._tracker.artifact(path, place)
            self._tracker.finish("FINISHED", _PATIENCE_S)
        metrics = {**self._latest, **scores}
        print("finished:", json.dumps(metrics))
        self._say(ReportKind.FINISHED, epoch=len(trained.progress.history), metrics=metrics)

    def _began(self, progress: Progress) -> None:
        for record in progress.history:
            self._tracker.epoch(record)
            self._latest = record.metrics
        if progress.step:
            print(f"resumed at step {progress.step}, after epoch {len(progress.history)}")

    def _advanced(self, epoch: int, steps_per_s: float) -> None:
        with suppress(RedisError):
            self._link.tell_pace(**self._common(), epoch=epoch, steps_per_s=steps_per_s)

    def _epoch_ended(self, record: EpochRecord) -> None:
        self._tracker.epoch(record)
        self._latest = record.metrics
        shown = "  ".join(f"{name} {value:.4g}" for name, value in record.metrics.items())
        print(f"epoch {record.epoch}/{self._epochs}  {shown}", flush=True)
        with suppress(RedisError):
            self._say(ReportKind.PROGRESS, epoch=record.epoch, metrics=record.metrics)

    def _leave(self, status: str) -> None:
        """Close the MLflow run if that is quickly done; else the balancer closes it later."""
        try:
            self._tracker.finish(status, _BRIEF_PATIENCE_S)
        except Exception as error:
            print(f"MLflow will be told by the balancer: {error}")

    def _say(self, kind: ReportKind, metrics: Mapping[str, float] = MappingProxyType({}), **fields: object) -> None:
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self._link.say(kind, **self._common(), metrics=finite, **fields)

    def _common(self) -> dict[str, Any]:
        """What every report says."""
        return {
            "run_id": self._spec.run_id,
            "token": self._token,
            "epochs": self._epochs,
            "mlflow_run_id": self._tracker.mlflow_run_id,
            "peak_mib": self._peak_mib(),
        }

    def _peak_mib(self) -> int:
        return peak_mib(self._settings.device, keras.backend.backend()) if self._computes else 0

    def _on_accelerator(self) -> dict[str, int]:
        """What tells an own lack of a GPU's memory from somebody else's; of the host's, the supervisor does."""
        if self._settings.device == CPU_DEVICE:
            return {}
        return {"held_mib": self._peak_mib(), "cap_mib": self._cap_mib}

    def _experiment(self) -> Experiment | None:
        found = self._link.experiment(self._spec.sweep)
        return Experiment(*found, commit=self._link.commit(self._spec.sweep)) if found else None


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Send all that this process prints to a file, from any thread or library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as log:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(log.fileno(), stream.fileno())
        yield
        sys.stdout.flush()
