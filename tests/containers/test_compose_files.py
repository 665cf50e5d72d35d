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


def config(*files: str, profile: str = "") -> dict[str, Any]:
    """What Compose makes of files together, with nothing set."""
    needs_engine()
    named = [part for file in files for part in ("--file", file)]
    options = ["--env-file", "/dev/null", "--profile", profile, *named, "config", "--format", "json"]
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


def test_the_example_of_an_environment_has_every_setting_of_the_files() -> None:
    texts = [(ROOT / file).read_text(encoding="utf-8") for file in (BASE, GPU, ON_HOST)]
    asked = {name for text in texts for name in re.findall(r"(?<!\$)\$\{(\w+)", text)} - {"COMPOSE_PROJECT_NAME"}
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert asked <= set(re.findall(r"^# (\w+)=", example, re.MULTILINE))


def test_the_model_command_has_no_secret_and_reaches_mlflow_alone() -> None:
    services = config(BASE, profile="model")["services"]
    on_its_network = {name for name, service in services.items() if "models" in service.get("networks", {})}
    assert on_its_network == {"model", "mlflow"}
    assert {mount["target"] for mount in services["model"]["volumes"]} == {"/data", "/results", "/tmp"}


def test_the_unit_names_volumes_and_networks_that_compose_makes() -> None:
    made = config(BASE, ON_HOST)
    names = {one["name"] for kind in ("volumes", "networks") for one in made[kind].values()}
    named = set(re.findall(r"\bhdsmlm_[a-z-]+", UNIT))
    assert named == {"hdsmlm_secrets", "hdsmlm_worker-secrets", "hdsmlm_data", "hdsmlm_workers"}
    assert named <= names
