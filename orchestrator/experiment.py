"""What the control plane tells MLflow: experiment and parent run of a sweep, accepted attempts, and the best model.

It speaks MLflow's REST interface, so that no command has to import MLflow (5 s). Training metrics do not pass here;
each attempt writes its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import urllib3

from model.config import MODEL_FILE
from orchestrator.errors import OrchestratorError, ServiceError
from worker.spec import TAG_ACCEPTED, TAG_PARENT, TAG_RUN_ID, TAG_SWEEP, TAG_TOKEN

CHAMPION = "champion"
"""Alias of the version of a registered model that is in use."""


class MlflowStatus(StrEnum):
    """MLflow's words for where a run stands."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class Attempt(NamedTuple):
    """One attempt as MLflow shows it."""

    mlflow_run_id: str
    token: str
    status: MlflowStatus


class Version(NamedTuple):
    """A version of a registered model."""

    number: int
    new: bool
    """Whether it was not there before."""


class Experiments:
    """An MLflow server."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=30), retries=False)

    def answers(self) -> bool:
        """Whether the server is up."""
        try:
            return self._pool.request("GET", f"{self.url}/health").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def ensure_experiment(self, name: str) -> str:
        """Id of the experiment of that name, made or restored where needed."""
        found = self._call("GET", "experiments/get-by-name", {"experiment_name": name}, missing_ok=True)
        if not found:
            kind = {"key": "mlflow.experimentKind", "value": "custom_model_development"}
            return str(self._call("POST", "experiments/create", {"name": name, "tags": [kind]})["experiment_id"])
        experiment = found["experiment"]
        if experiment["lifecycle_stage"] == "deleted":
            self._call("POST", "experiments/restore", {"experiment_id": experiment["experiment_id"]})
        return str(experiment["experiment_id"])

    def ensure_parent(self, experiment_id: str, sweep: str, tags: Mapping[str, str]) -> str:
        """Id of the sweep's parent run, made where needed."""
        if found := self._search(experiment_id, f"tags.`{TAG_PARENT}` = '{sweep}'"):
            return str(found[0]["info"]["run_id"])
        all_tags = {**tags, TAG_PARENT: sweep, TAG_SWEEP: sweep, "mlflow.runName": sweep, "mlflow.user": "orchestrator"}
        body = {
            "experiment_id": experiment_id,
            "start_time": _now_ms(),
            "tags": [{"key": key, "value": value} for key, value in all_tags.items()],
        }
        return str(self._call("POST", "runs/create", body)["run"]["info"]["run_id"])

    def attempts(self, experiment_id: str, run_id: str) -> list[Attempt]:
        """Every attempt of a run that is not deleted."""
        return [_attempt(entry) for entry in self._search(experiment_id, f"tags.`{TAG_RUN_ID}` = '{run_id}'")]

    def accept(self, mlflow_run_id: str) -> None:
        """Tag the one attempt whose result counts."""
        self._call("POST", "runs/set-tag", {"run_id": mlflow_run_id, "key": TAG_ACCEPTED, "value": "true"})

    def close(self, mlflow_run_id: str, status: MlflowStatus) -> None:
        """Set a run's status; RUNNING opens it again."""
        body: dict[str, Any] = {"run_id": mlflow_run_id, "status": status}
        self._call("POST", "runs/update", body | ({} if status is MlflowStatus.RUNNING else {"end_time": _now_ms()}))

    def delete(self, mlflow_run_id: str) -> None:
        """Hide a run; MLflow keeps it in its bin."""
        self._call("POST", "runs/delete", {"run_id": mlflow_run_id})

    def promote(self, name: str, mlflow_run_id: str) -> Version:
        """Register a run's network under `name`, where it is not yet, as the champion.

        Raises:
            OrchestratorError: MLflow does not have the network.
        """
        source = self._network(mlflow_run_id)
        known = self._version_from(name, source)
        number = known or self._add_version(name, {"run_id": mlflow_run_id, "source": source})
        self._call("POST", "registered-models/alias", {"name": name, "alias": CHAMPION, "version": number})
        return Version(int(number), new=known is None)

    def _network(self, mlflow_run_id: str) -> str:
        """Address of the folder that holds a run's network."""
        folder, run = MODEL_FILE.rpartition("/")[0], {"run_id": mlflow_run_id}
        info = self._call("GET", "runs/get", run, missing_ok=True).get("run", {}).get("info", {})
        if info.get("lifecycle_stage") == "active":
            listed = self._call("GET", "artifacts/list", {**run, "path": folder})
            if MODEL_FILE in (file["path"] for file in listed.get("files", [])):
                return f"{info['artifact_uri']}/{folder}"
        raise OrchestratorError(
            f"MLflow at {self.url} has no {MODEL_FILE} of its run {mlflow_run_id}; "
            "if the run was deleted there, restore it there"
        )

    def _version_from(self, name: str, source: str) -> str | None:
        found = self._call("GET", "model-versions/search", {"filter": f"name = '{name}' and source_path = '{source}'"})
        return next((str(version["version"]) for version in found.get("model_versions", [])), None)

    def _add_version(self, name: str, origin: Mapping[str, str]) -> str:
        if not self._call("GET", "registered-models/get", {"name": name}, missing_ok=True):
            self._call("POST", "registered-models/create", {"name": name})
        made = self._call("POST", "model-versions/create", {"name": name, **origin})
        return str(made["model_version"]["version"])

    def _search(self, experiment_id: str, wanted: str) -> list[dict[str, Any]]:
        body = {"experiment_ids": [experiment_id], "filter": wanted, "max_results": 1000}
        return list(self._call("POST", "runs/search", body).get("runs", []))

    def _call(self, method: str, path: str, body: Mapping[str, Any], *, missing_ok: bool = False) -> dict[str, Any]:
        url = f"{self.url}/api/2.0/mlflow/{path}"
        try:
            if method == "GET":
                answer = self._pool.request(method, url, fields=dict(body))
            else:
                answer = self._pool.request(method, url, json=dict(body))
        except urllib3.exceptions.HTTPError as error:
            raise ServiceError(f"MLflow does not answer at {self.url} ({error})") from error
        if answer.status == 404 and missing_ok:
            return {}
        if answer.status != 200:
            raise ServiceError(
                f"MLflow refused {path} with {answer.status}: {answer.data[:300].decode(errors='replace')}"
            )
        return dict(json.loads(answer.data))


def _attempt(entry: Mapping[str, Any]) -> Attempt:
    tags = {tag["key"]: tag["value"] for tag in entry["data"].get("tags", [])}
    return Attempt(entry["info"]["run_id"], tags.get(TAG_TOKEN, ""), MlflowStatus(entry["info"]["status"]))


def _now_ms() -> int:
    return round(time.time() * 1000)
