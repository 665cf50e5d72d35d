"""A whole installation under a folder of its own, used as a person would: through the `orchestrator` command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.addresses import mlflow_url, redis_url
from orchestrator.balancer.leases import Leases
from orchestrator.experiment import Experiments
from orchestrator.ledger import Ledger
from orchestrator.redis_door import connect
from orchestrator.settings import Settings

BIN = Path(sys.executable).parent
PATIENCE_S = 240

TINY = """
  model.depth: 1
  model.base_filters: 4
  data.patch_px: 16
  training.steps_per_epoch: {steps}
  training.epochs: {epochs}
  training.batch_size: 4
  evaluation.frames: 10
  evaluation.size_px: 32
"""


@dataclass
class Installation:
    """Runs commands and looks at what they left."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = {**os.environ, "HDSMLM_HOME": str(self.home), "HDSMLM_RESERVE_MIB": "512"}
        self.environment |= {"COLUMNS": "160"}

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home)

    @property
    def ledger(self) -> Ledger:
        return Ledger(connect(redis_url(self.settings)))

    @property
    def leases(self) -> Leases:
        return Leases(connect(redis_url(self.settings)))

    @property
    def experiments(self) -> Experiments:
        return Experiments(mlflow_url(self.settings))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(BIN / "orchestrator"), *arguments]
        return subprocess.Popen(
            command, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "orchestrator"), *arguments]
        return subprocess.run(
            command, env=self.environment, text=True, capture_output=True, timeout=PATIENCE_S, check=False
        )

    def json(self, *arguments: str) -> dict[str, Any]:
        answer = self.call(*arguments, "--json")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return dict(json.loads(answer.stdout))

    def children(self, sweep: str) -> list[dict[str, Any]]:
        """MLflow's runs of a sweep but the parent, deleted ones left out."""
        experiment = self.ledger.sweep(sweep).experiment_id
        found = self.experiments._search(experiment, f"tags.`hdsmlm.sweep` = '{sweep}'")
        return [run for run in found if "hdsmlm.parent_of" not in tags(run)]

    def history(self, mlflow_run_id: str, metric: str) -> list[int]:
        """Steps at which MLflow has the metric."""
        body = {"run_id": mlflow_run_id, "metric_key": metric}
        found = self.experiments._call("GET", "metrics/get-history", body)
        return sorted(int(entry["step"]) for entry in found.get("metrics", []))


def tags(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}


def write_space(folder: Path, name: str, *, rates: int, seeds: int, epochs: int = 3, steps: int = 6) -> Path:
    """A tiny simulated sweep of `rates` × `seeds` runs."""
    path = folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\nbase:{TINY.format(steps=steps, epochs=epochs)}metric: {{name: val_f1}}\n"
        f"parameters:\n  optimizer.learning_rate: {{values: {[0.001 * (1 + i) for i in range(rates)]}}}\n"
        f"replicates: {{param: training.seed, seeds: {list(range(seeds))}}}\n"
    )
    return path


def wait_for(what: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
