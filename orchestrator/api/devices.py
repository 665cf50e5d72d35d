"""The routes about the balancer and its devices."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from orchestrator.api import told_of_devices as told
from orchestrator.api.answering import Plain
from orchestrator.api.asked import Drain, Reopen
from orchestrator.backends.port import Backend


def device_routes(backend: Backend) -> APIRouter:
    """Look, drain, resume."""
    routes = APIRouter(prefix="/balancer", tags=["balancer"])

    @routes.get("", response_model=told.BalancerStatus)
    def status() -> Any:
        """Show devices, workers and sweeps as the balancer last saw them."""
        return Plain(backend.balancer())

    @routes.post("/drain", response_model=told.DrainedDevices)
    def drain(chosen: Drain) -> Any:
        """Let workers leave a device, or all; nothing starts there until it is resumed."""
        return Plain(backend.drain(chosen.device, now=chosen.now))

    @routes.post("/resume", response_model=told.ResumedDevices)
    def resume(chosen: Reopen) -> Any:
        """Use a device again, or all, whatever closed it."""
        return Plain(backend.reopen(chosen.device))

    return routes
