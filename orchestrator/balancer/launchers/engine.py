"""The Docker Engine: the one module that imports its SDK.

An engine that does not answer is a `ServiceError`, whatever it was asked. What has gone meanwhile is no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from docker.models.images import Image

from orchestrator.balancer.launchers.limits import not_limited
from orchestrator.errors import OrchestratorError, ServiceError

_TIMEOUT_S = 30
_CONFLICT = 409


class NameTakenError(OrchestratorError):
    """A container of that name is there already."""


class Engine:
    """A Docker Engine, and the image on it that containers are made of."""

    def __init__(self, image: str) -> None:
        """Find the engine as Docker's command does.

        Raises:
            ServiceError: it does not answer.
        """
        self._name = image
        with _asking():
            self._client = docker.from_env(timeout=_TIMEOUT_S)

    def facts(self) -> str:
        """The engine and the image in words.

        Raises:
            OrchestratorError: the engine does not answer, or the image is missing.
        """
        with _asking():
            version = self._client.version()["Version"]
            unlimited = not_limited(self.information())
            beside = f"; it cannot limit {', '.join(unlimited)} of workers" if unlimited else ""
            return f"version {version}, image {self._name} {self._image.short_id}{beside}"

    def information(self) -> dict[str, Any]:
        """What `docker info` says."""
        with _asking():
            return dict(self._client.info())

    def launch(self, options: Mapping[str, Any]) -> None:
        """Create a container and start it; nothing is left where that fails.

        Raises:
            NameTakenError: there is one of that name.
            OrchestratorError: the image is missing, or the engine refused or did not answer.
        """
        try:
            container = self._client.containers.create(str(self._image.id), **options)
            try:
                container.start()
            except BaseException:
                container.remove(force=True)
                raise
        except docker.errors.APIError as error:
            kind = NameTakenError if error.status_code == _CONFLICT else OrchestratorError
            raise kind(f"Docker refused the worker: {error.explanation or error}") from error
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise OrchestratorError(f"Docker did not start the worker: {error}") from error

    def containers(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """Those that have all these labels, each `key` or `key=value`; also what has ended."""
        with _asking():
            return list(self._client.api.containers(all=True, filters={"label": list(labels)}))

    def mounts(self, host: str) -> list[dict[str, Any]]:
        """What the container whose hostname is the beginning of its id has mounted; nothing outside any."""
        with _asking(), suppress(docker.errors.NotFound):
            seen = self._client.api.inspect_container(host)
            return list(seen["Mounts"]) if seen["Id"].startswith(host) else []
        return []

    def first_pid(self, container_id: str) -> int | None:
        """First process of a container as the host numbers it; None where the container is gone."""
        with _asking(), suppress(docker.errors.NotFound):
            return int(self._client.api.inspect_container(container_id)["State"]["Pid"])
        return None

    def limit(self, container_id: str, memory: str) -> None:
        """Let a container have so much memory, such as `512m`."""
        with _asking(), suppress(docker.errors.APIError):
            self._client.api.update_container(container_id, mem_limit=memory, memswap_limit=memory)

    def terminate(self, container_id: str) -> None:
        """Send SIGTERM to the first process of a container."""
        with _asking(), suppress(docker.errors.APIError):
            self._client.api.kill(container_id, "SIGTERM")

    def remove(self, container_id: str, log: Path) -> None:
        """Kill and remove a container; what it printed is appended to `log`."""
        with _asking(), suppress(docker.errors.APIError):
            printed = self._client.api.logs(container_id, timestamps=True)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as kept:
                kept.write(printed)
            self._client.api.remove_container(container_id, force=True, v=True)

    @cached_property
    def _image(self) -> Image:
        """As it was first seen, so that whoever builds a new one under the name changes nothing for this engine."""
        try:
            return self._client.images.get(self._name)
        except docker.errors.ImageNotFound as error:
            raise OrchestratorError(f"there is no image {self._name} here; `docker compose build` makes it") from error


@contextmanager
def _asking() -> Iterator[None]:
    """Tell apart an engine that refuses, which each caller handles, and one that does not answer."""
    try:
        yield
    except docker.errors.APIError:
        raise
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise ServiceError(f"Docker does not answer ({error}); is it running, and may this user use it?") from error
