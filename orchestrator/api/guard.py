"""Lets requests in that show the token, before anything of them but their head is read."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from orchestrator.api.answering import Plain
from orchestrator.errors import AccessError
from orchestrator.wire import error_as_json

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = "/healthz"
"""The one path without a token."""


class Guard:
    """ASGI middleware: 401 for whoever does not show the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan" or scope["path"] == OPEN or self._is_shown(scope):
            await self._app(scope, receive, send)
        else:
            await _refused()(scope, receive, send)

    def _is_shown(self, scope: Scope) -> bool:
        """Whether the token is there; how long this takes does not tell how much of it was right."""
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(shown) == 1 and secrets.compare_digest(shown[0], self._expected)


def _refused() -> Plain:
    error = AccessError("the token is missing or wrong; `orchestrator serve` says where the right one is")
    return Plain(error_as_json(error), status_code=401, headers={"WWW-Authenticate": "Bearer"})
