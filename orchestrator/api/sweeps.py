"""The routes about search spaces, sweeps and runs."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Path, Query

from orchestrator.api import told, told_of_devices
from orchestrator.api.answering import Plain
from orchestrator.api.asked import Chosen, SpaceText
from orchestrator.backends.port import Backend
from orchestrator.search_space.text_source import Source

_AT_ONCE = 2
"""Search spaces that are worked on at a time; each takes a core."""

Sweep = Annotated[str, Path(max_length=200, examples=["wolf"], description="Name of a sweep.")]
Run = Annotated[str, Path(max_length=200, examples=["3fa9c1"], description="Id, slug, or beginning of an id.")]
_Runs = Annotated[bool, Query(description="List every run.")]


def sweep_routes(backend: Backend) -> APIRouter:
    """Plan, submit, count, rank."""
    routes, planning = APIRouter(tags=["sweeps"]), CapacityLimiter(_AT_ONCE)

    @routes.post("/plan", response_model=told.Plan)
    async def plan(space: SpaceText) -> Any:
        """Say what a search space would train, and what of it is known already. Changes nothing."""
        return Plain(await to_thread.run_sync(backend.plan, _source(space), limiter=planning))

    @routes.post("/sweeps", response_model=told.Submission)
    async def submit(space: SpaceText) -> Any:
        """Queue a search space; submitting it again queues what is new, and nothing twice."""
        return Plain(await to_thread.run_sync(backend.submit, _source(space), limiter=planning))

    @routes.get("/sweeps", response_model=told.AllStatus)
    def status_of_all(runs: _Runs = False) -> Any:
        """Count the runs of all sweeps by state."""
        return Plain(backend.status(None, with_runs=runs))

    @routes.get("/sweeps/{sweep}", response_model=told.SweepStatus)
    def status(sweep: Sweep, runs: _Runs = False) -> Any:
        """Count the runs of a sweep by state."""
        return Plain(backend.status(sweep, with_runs=runs))

    @routes.get("/sweeps/{sweep}/progress", response_model=told.Progress)
    def progress(sweep: Sweep) -> Any:
        """Tell what a sweep is doing just now."""
        return Plain(backend.progress(sweep))

    @routes.get("/sweeps/{sweep}/report", response_model=told.Report)
    def report(sweep: Sweep) -> Any:
        """Rank the cells of a sweep, seeds averaged."""
        return Plain(backend.report(sweep))

    return routes


def steering_routes(backend: Backend) -> APIRouter:
    """Pause, resume, cancel, retry, promote."""
    routes = APIRouter(prefix="/sweeps/{sweep}", tags=["steering"])

    @routes.post("/pause", response_model=told.Steered)
    def pause(sweep: Sweep) -> Any:
        """Start no more runs of a sweep; those that run go on."""
        return Plain(backend.steer("pause", sweep))

    @routes.post("/resume", response_model=told.Steered)
    def resume(sweep: Sweep) -> Any:
        """Lift a pause, whoever made it."""
        return Plain(backend.steer("resume", sweep))

    @routes.post("/cancel", response_model=told.Steered)
    def cancel(sweep: Sweep, chosen: Chosen) -> Any:
        """Cancel runs that are not over."""
        return Plain(backend.steer("cancel", sweep, chosen.runs))

    @routes.post("/retry", response_model=told.Steered)
    def retry(sweep: Sweep, chosen: Chosen) -> Any:
        """Queue failed, infeasible and cancelled runs again, with fresh budgets."""
        return Plain(backend.steer("retry", sweep, chosen.runs))

    @routes.post("/promote", response_model=told.Promotion)
    def promote(sweep: Sweep) -> Any:
        """Register the best model of a sweep in MLflow under the sweep's name, with the alias `champion`."""
        return Plain(backend.promote(sweep))

    return routes


def run_routes(backend: Backend) -> APIRouter:
    """What single runs print and wait for."""
    routes = APIRouter(prefix="/runs/{run}", tags=["runs"])

    @routes.get("/log", response_model=told.Log)
    def log(
        run: Run,
        attempt: Annotated[str | None, Query(max_length=200, description="That of the piece before.")] = None,
        position: Annotated[int, Query(ge=0, lt=2**63, description="That of the piece before.")] = 0,
    ) -> Any:
        """Read the next piece of what the latest attempt printed."""
        return Plain(backend.log(run, attempt, position))

    @routes.get("/explanation", response_model=told_of_devices.Explanation)
    def explain(run: Run) -> Any:
        """Say why a run waits, in numbers, or what it is doing."""
        return Plain(backend.explain(run))

    return routes


def _source(space: SpaceText) -> Source:
    return Source(space.name, space.text)
