"""The Compose files, in every combination that is documented, and the unit of a balancer outside any container."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.engine import ROOT, docker, needs_engine

BASE, GPU, ON_HOST = "docker-compose.yml", "docker-compose.gpu.yml", "docs/systemd/balancer-on-host.yml"
UNIT = (ROOT / "docs" / "systemd" / "hdsmlm-balancer.service").read_text(encoding="utf-8")
SERVICES = {"secrets", "redis", "postgres", "mlflow", "orchestrator"}


def config(*files: str) -> dict[str, Any]:
    """What Compose makes of files together, with nothing set."""
    needs_engine()
    named = [part for file in files for part in ("--file", file)]
    options = ["--env-file", "/dev/null", *named, "config", "--format", "json"]
    return dict(json.loads(docker("compose", *options)))


@pytest.mark.parametrize("files", [(BASE,), (BASE, GPU)])
def test_the_balancer_is_a_service_that_sees_the_hosts_processes(files: tuple[str, ...]) -> None:
    services = config(*files)["services"]
    assert services.keys() == SERVICES | {"balancer", "worker-image"}
    assert services["balancer"]["pid"] == "host"


@pytest.mark.parametrize("files", [(BASE, ON_HOST), (BASE, GPU, ON_HOST)])
def test_no_service_has_the_socket_where_the_balancer_is_one_of_the_host(files: tuple[str, ...]) -> None:
    services = config(*files)["services"]
    assert services.keys() == SERVICES
    assert "docker.sock" not in json.dumps(services)
    published = [port["host_ip"] for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1"] * 3


def test_the_unit_names_volumes_and_networks_that_compose_makes() -> None:
    made = config(BASE, ON_HOST)
    names = {one["name"] for kind in ("volumes", "networks") for one in made[kind].values()}
    named = set(re.findall(r"\bhdsmlm_[a-z-]+", UNIT))
    assert named == {"hdsmlm_secrets", "hdsmlm_worker-secrets", "hdsmlm_data", "hdsmlm_workers"}
    assert named <= names
