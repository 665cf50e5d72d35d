"""Whether it lives, and its numbers: `/healthz` for those who restart it, `/metrics` for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from orchestrator.api.answering import Plain
from orchestrator.api.guard import OPEN
from orchestrator.api.metrics import CONTENT_TYPE, exposition
from orchestrator.api.told import Told
from orchestrator.backends.direct import Direct
from orchestrator.errors import ServiceError


class BalancerLife(Told):
    """Whether the balancer lives, and since when it does or does not; null where it never did. Seconds since 1970."""

    up: bool
    since: float | None


class Health(Told):
    """Whether the API can do its work, which it can while Redis answers."""

    redis: bool
    balancer: BalancerLife | None
    """Null where Redis does not answer."""


def health_routes(backend: Direct) -> APIRouter:
    """The one route without a token."""
    routes = APIRouter(tags=["vitals"])

    @routes.get(OPEN, response_model=Health, responses={503: {"model": Health}})
    def healthz() -> Any:
        """Say whether Redis answers (else 503), and whether the balancer lives and since when. Needs no token."""
        try:
            seen = backend.balancer()
        except ServiceError:
            return Plain({"redis": False, "balancer": None}, status_code=503)
        return Plain(
            {"redis": True, "balancer": {"up": seen["up"], "since": seen.get("since" if seen["up"] else "at")}}
        )

    return routes


def metric_routes(backend: Direct) -> APIRouter:
    """For Prometheus, which can send the token too."""
    routes = APIRouter(tags=["vitals"])

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Any:
        """Runs, devices, workers, queue and attempts, in Prometheus' text format."""
        return Response(exposition(backend), media_type=CONTENT_TYPE)

    return routes
