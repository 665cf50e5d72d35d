"""Asks an API: the one module of this package that imports an HTTP client for it.

The server's errors come back as the errors that the same call would have raised here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import httpx

from orchestrator.backends.port import Answer, Steer
from orchestrator.errors import OrchestratorError, ServiceError, UnknownNameError
from orchestrator.wire import error_from_json

if TYPE_CHECKING:
    from orchestrator.search_space.text_source import Source

_TIMEOUT = httpx.Timeout(10.0, read=900.0)
"""Connecting takes no time; reading movies for their digest may take minutes."""

_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
"""Here a proxy of the environment would be asked for itself, and be shown the token."""


class Remote:
    """The backend of a machine that has nothing but an address and a token."""

    def __init__(self, url: str, token: str) -> None:
        """Raises OrchestratorError where `url` is no address."""
        self._url = url.rstrip("/")
        if not self._url.startswith(("http://", "https://")):
            raise OrchestratorError(f"ORCHESTRATOR_URL is '{url}'; expected an address such as http://127.0.0.1:8642")
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
            trust_env=urlsplit(self._url).hostname not in _THIS_MACHINE,
        )

    def close(self) -> None:
        self._client.close()

    def plan(self, source: Source) -> Answer:
        return self._ask("POST", "plan", json={"name": source.name, "text": source.text})

    def submit(self, source: Source) -> Answer:
        return self._ask("POST", "sweeps", json={"name": source.name, "text": source.text})

    def status(self, sweep: str | None, *, with_runs: bool = False) -> Answer:
        path = "sweeps" if sweep is None else f"sweeps/{_segment(sweep, 'sweep')}"
        return self._ask("GET", path, params={"runs": with_runs})

    def progress(self, sweep: str) -> Answer:
        return self._ask("GET", f"sweeps/{_segment(sweep, 'sweep')}/progress")

    def report(self, sweep: str) -> Answer:
        return self._ask("GET", f"sweeps/{_segment(sweep, 'sweep')}/report")

    def promote(self, sweep: str) -> Answer:
        return self._ask("POST", f"sweeps/{_segment(sweep, 'sweep')}/promote")

    def steer(self, action: Steer, sweep: str, runs: Sequence[str] = ()) -> Answer:
        chosen = {"json": {"runs": list(runs)}} if action in ("cancel", "retry") else {}
        return self._ask("POST", f"sweeps/{_segment(sweep, 'sweep')}/{action}", **chosen)

    def log(self, run: str, attempt: str | None = None, position: int = 0) -> Answer:
        place = {"attempt": attempt, "position": position} if attempt else {}
        return self._ask("GET", f"runs/{_segment(run, 'run')}/log", params=place)

    def balancer(self) -> Answer:
        return self._ask("GET", "balancer")

    def explain(self, run: str) -> Answer:
        return self._ask("GET", f"runs/{_segment(run, 'run')}/explanation")

    def drain(self, device: str | None, *, now: bool) -> Answer:
        return self._ask("POST", "balancer/drain", json={"device": device, "now": now})

    def reopen(self, device: str | None) -> Answer:
        return self._ask("POST", "balancer/resume", json={"device": device})

    def _ask(self, method: str, path: str, **content: Any) -> Answer:
        try:
            response = self._client.request(method, f"{self._url}/v1/{path}", **content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServiceError(
                f"no orchestrator answers at {self._url} ({error}); `orchestrator serve` starts one there"
            ) from error
        body = _object(response)
        if response.is_success and body is not None:
            return body
        raise self._error(response, body or {})

    def _error(self, response: httpx.Response, body: Answer) -> OrchestratorError:
        try:
            return error_from_json(body)
        except (KeyError, TypeError):
            said = body.get("error") or response.reason_phrase
            return ServiceError(
                f"{self._url} answers {response.status_code} {said}, as no orchestrator of this release does; "
                "check ORCHESTRATOR_URL, and the releases on both sides"
            )


def _object(response: httpx.Response) -> Answer | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _segment(name: str, kind: str) -> str:
    """A name as one part of a path; what cannot be one is no name of a sweep or run."""
    if "/" in name or name in ("", ".", ".."):
        raise UnknownNameError(f"no {kind} is called '{name}'; `orchestrator status` lists those that there are")
    return quote(name, safe="")
