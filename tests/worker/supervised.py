"""A real worker process, ordered about as the balancer does it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil

from model.config import resolve
from orchestrator.redis_door import Redis, connect
from orchestrator.transport import Transport
from tests.samples import run_spec
from worker.spec import MLFLOW_URL, Report, ReportKind, pace_key, report_stream, run_key

T = TypeVar("T")
PATIENCE_S = 120
SMALL = {
    "model.depth": 1,
    "model.base_filters": 4,
    "data.patch_px": 16,
    "training.batch_size": 2,
    "evaluation.frames": 5,
    "evaluation.size_px": 32,
}
LARGE = {**SMALL, "model.base_filters": 64, "data.patch_px": 32, "training.batch_size": 128}


@dataclass
class Supervised:
    """`python -m worker` against a real Redis."""

    redis: Redis
    address: str
    home: Path
    environment: dict[str, str]

    def __enter__(self) -> Self:
        self.log = (self.home / "worker.log").open("w+b")
        self.redis.set(MLFLOW_URL, "http://127.0.0.1:9")
        settings = {"HDSMLM_REDIS_URL": self.address, "CUDA_VISIBLE_DEVICES": "-1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = psutil.Popen(
            [sys.executable, "-m", "worker", "--installation", str(self.home), "--id", "w1"],
            env={**os.environ, **settings, **self.environment},
            cwd=self.home,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.first(ReportKind.READY)
        return self

    def __exit__(self, *_: object) -> None:
        for member in [*self.process.children(recursive=True), self.process]:
            member.kill()
        self.process.wait()
        self.log.close()

    def order(self, run_id: str, values: dict[str, Any], cap_mib: int) -> None:
        spec = run_spec(run_id).model_copy(update={"config": resolve(values)})
        self.redis.hset(run_key(run_id), mapping={"spec": spec.model_dump_json(), "cap_mib": cap_mib})
        Transport(connect(self.address, decode=False)).deliver("w1", run_id, f"token-{run_id}")

    def first(self, kind: ReportKind, run_id: str = "") -> Report:
        """The worker's first report of a kind about a run."""
        return self.until(
            lambda: next((report for report in self.reports(run_id) if report.kind is kind), None),
        )

    def pace(self) -> Report:
        """What the worker tells of how fast its run goes."""
        return self.until(lambda: (text := self.redis.get(pace_key("w1"))) and Report.model_validate_json(text))

    def reports(self, run_id: str) -> list[Report]:
        entries = self.redis.xrange(report_stream("w1"))
        reports = [Report.model_validate_json(fields["report"]) for _, fields in entries]
        return [report for report in reports if report.run_id == run_id]

    def child(self) -> psutil.Process:
        """The process of the run that was ordered."""
        return self.until(lambda: next(iter(self.process.children()), None))

    def until(self, find: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + PATIENCE_S
        while (found := find()) is None:
            assert time.monotonic() < deadline, self.said()
            assert self.process.is_running(), self.said()
            time.sleep(0.05)
        return found

    def said(self) -> str:
        return (self.home / "worker.log").read_text()
