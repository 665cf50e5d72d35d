"""Puts the API together."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.middleware import Middleware

from orchestrator.api.answering import answer_errors
from orchestrator.api.asked import MAX_BODY
from orchestrator.api.devices import device_routes
from orchestrator.api.events import event_routes
from orchestrator.api.guard import Guard
from orchestrator.api.sweeps import run_routes, steering_routes, sweep_routes
from orchestrator.api.told import Problem
from orchestrator.api.vitals import health_routes, metric_routes
from orchestrator.backends.direct import Direct

V1 = "/v1"
_ABOUT = """What the `orchestrator` and `balancer` commands do, for other machines. Every request but `/healthz` shows a
token; an error is an object with the text that the command would have printed."""
_PROBLEM = {"application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"content": _PROBLEM, "description": "The body is no JSON at all."},
    401: {"content": _PROBLEM, "description": "The token is missing or wrong."},
    404: {"content": _PROBLEM, "description": "No sweep, run or device has this name."},
    409: {"content": _PROBLEM, "description": "Not possible in the present state."},
    413: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The body is too large."},
    422: {"content": _PROBLEM, "description": "The request, or the search space in it, is not valid."},
    503: {"content": _PROBLEM, "description": "Redis or MLflow does not answer."},
}


def application(backend: Direct, token: str) -> FastAPI:
    """The API of an installation, for those who show the token."""
    app = FastAPI(
        title="HD-SMLM orchestrator",
        version=metadata.version("hd-smlm"),
        description=_ABOUT,
        openapi_url=f"{V1}/openapi.json",
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(Guard, token=token)],
        max_body_size=MAX_BODY,
    )
    answer_errors(app)
    app.include_router(health_routes(backend))
    told: dict[str, Any] = {"responses": _PROBLEMS, "dependencies": [Depends(HTTPBearer(auto_error=False))]}
    app.include_router(metric_routes(backend), **told)
    for routes in (sweep_routes, steering_routes, run_routes, device_routes, event_routes):
        app.include_router(routes(backend), prefix=V1, **told)
    return app
