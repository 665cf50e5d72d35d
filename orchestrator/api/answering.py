"""How answers and errors leave: the JSON that the commands print, and a status that fits the error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from orchestrator.errors import (
    AccessError,
    FencedError,
    InputError,
    OrchestratorError,
    RefusedError,
    SearchSpaceError,
    ServiceError,
    SupersededError,
    UnknownNameError,
)
from orchestrator.redis_door import RedisError, lost
from orchestrator.wire import error_as_json

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_STATUS = {
    SearchSpaceError: 422,
    InputError: 422,
    UnknownNameError: 404,
    AccessError: 401,
    RefusedError: 409,
    FencedError: 409,
    ServiceError: 503,
    SupersededError: 503,
    OrchestratorError: 409,
}


class Plain(Response):
    """A JSON object, in ASCII."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode it."""
        return json.dumps(content, allow_nan=False).encode()


def answer_errors(app: FastAPI) -> None:
    """Let every error leave as `{"error": TEXT, "kind": CLASS}`, without a traceback."""
    app.add_exception_handler(OrchestratorError, _ours)
    app.add_exception_handler(RedisError, _lost)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Exception, _unforeseen)


def _ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OrchestratorError)
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    return Plain(error_as_json(error), status_code=status)


def _lost(request: Request, error: Exception) -> Response:
    return _ours(request, lost(error))


def _of_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = {"error": error.detail, "kind": HTTPException.__name__}
    return Plain(told, status_code=error.status_code, headers=error.headers)


def _unreadable(_request: Request, error: Exception) -> Response:
    """What does not have the asked shape; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return Plain(error_as_json(OrchestratorError("; ".join(wrong))), status_code=422)


def _unforeseen(_request: Request, _error: Exception) -> Response:
    error = OrchestratorError("a mistake in the orchestrator itself; its log on the server has it")
    return Plain(error_as_json(error), status_code=500)
