"""An installation in containers under a project of its own, used as a person would: through `docker compose`."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.balancer.launchers.containers import INSTALLATION, LEASE
from orchestrator.experiment import Experiments
from tests.engine import ROOT, docker
from worker.spec import TAG_ACCEPTED, TAG_RUN_ID, TAG_SWEEP

_PATIENCE_S = 600


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Installation:
    """Calls Compose and looks at what it left."""

    project: str = field(default_factory=lambda: f"hdsmlm-test-{secrets.token_hex(3)}")
    files: tuple[str, ...] = ("docker-compose.yml",)
    settings: dict[str, str] = field(default_factory=dict)
    mlflow_port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)

    def compose(self, *arguments: str, check: bool = True) -> str:
        """What a call of `docker compose` prints."""
        return self._call(*arguments, check=check).stdout

    def _call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["docker", "compose", "--project-name", self.project, *self._files(), *arguments]
        done = subprocess.run(
            command,
            env={**os.environ, **self._environment()},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            cwd=ROOT,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def up(self) -> None:
        """As the README says."""
        self.compose("up", "--build", "--wait")

    def submit(self, space: Path) -> str:
        """Submit a file as the README says."""
        return self._submitted(space).stdout

    def refused(self, space: Path) -> str:
        """Why a file is not taken."""
        done = self._submitted(space, check=False)
        assert done.returncode == 2
        return done.stderr

    def _submitted(self, space: Path, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(prefix="hdsmlm-spaces-") as folder:
            Path(folder).chmod(0o755)
            shutil.copy(space, folder)
            shared = ["--volume", f"{folder}:/spaces:ro"]
            command = ["run", "--rm", "-T", *shared, "orchestrator", "submit", f"/spaces/{space.name}"]
            return self._call(*command, check=check)

    def status(self, sweep: str) -> dict[str, Any]:
        return dict(json.loads(self.call("orchestrator", "status", sweep, "--json")))

    def is_over(self, sweep: str) -> bool:
        seen = self.status(sweep)
        return bool(seen["queued"] + seen["assigned"] + seen["running"] == 0)

    def balancer(self) -> dict[str, Any]:
        """What `balancer status` says."""
        return dict(json.loads(self.call("balancer", "status", "--json")))

    def call(self, *command: str) -> str:
        """Call a command where submissions are made from."""
        return self.compose("exec", "-T", "orchestrator", *command)

    def redis(self, *arguments: str) -> str:
        """Ask Redis as whoever may do everything."""
        ask = 'REDISCLI_AUTH=$(cat /secrets/redis_password) exec redis-cli "$@"'
        return self.compose("exec", "-T", "redis", "sh", "-c", ask, "sh", *arguments).strip()

    def workers(self) -> list[str]:
        """Ids of the containers of workers, running or not."""
        return docker("ps", "--all", "--quiet", "--filter", f"label={INSTALLATION}={self.project}").split()

    def worker_ids(self) -> list[str]:
        """Ids of the leases whose containers run."""
        shown = '{{.Label "' + LEASE + '"}}'
        return docker("ps", "--filter", f"label={INSTALLATION}={self.project}", "--format", shown).split()

    def kill_service(self, service: str) -> None:
        """Kill the first process of a service, as a crash would; Docker itself is told nothing."""
        container = self.compose("ps", "--quiet", service).strip()
        kill_container(container)

    def accepted(self, sweep: str) -> list[str]:
        """Run ids of the accepted results that MLflow has, as often as it has them."""
        experiment = self.redis("HGET", f"hdsmlm:sweep:{sweep}", "experiment_id")
        found = self.experiments._search(experiment, f"tags.`{TAG_SWEEP}` = '{sweep}'")
        tags = [{tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run in found]
        return sorted(one[TAG_RUN_ID] for one in tags if one.get(TAG_ACCEPTED) == "true")

    @property
    def experiments(self) -> Experiments:
        return Experiments(f"http://127.0.0.1:{self.mlflow_port}")

    def leftovers(self) -> list[str]:
        """Containers, networks and volumes of this installation."""
        label = f"label=com.docker.compose.project={self.project}"
        listed = [docker(kind, "ls", "--quiet", "--filter", label) for kind in ("network", "volume")]
        return [*self.workers(), *docker("ps", "-aq", "--filter", label).split(), *" ".join(listed).split()]

    def _files(self) -> list[str]:
        return [part for file in self.files for part in ("--file", file)]

    def _environment(self) -> dict[str, str]:
        ports = {"MLFLOW_PORT": str(self.mlflow_port), "ORCHESTRATOR_PORT": str(self.api_port)}
        images = {f"HDSMLM_{name.upper()}_IMAGE": f"hdsmlm/{name}:test" for name in ("control", "mlflow", "worker")}
        return {**ports, **images, "COMPOSE_PROJECT_NAME": self.project, **self.settings}


def kill_container(container: str) -> None:
    """SIGKILL to its first process, from outside of Docker."""
    pid = int(docker("inspect", "--format", "{{.State.Pid}}", container))
    assert pid > 0
    os.kill(pid, signal.SIGKILL)
