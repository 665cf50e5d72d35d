"""`orchestrator plan`: what a search space would train, and what of it the ledger knows."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.commands.session import open_existing
from orchestrator.commands.submission import describe
from orchestrator.errors import ServiceError
from orchestrator.ledger import Ledger, Submission
from orchestrator.search_space.sweep import Plan


def try_ledger() -> Ledger | None:
    """The ledger if one is up; a plan needs none."""
    try:
        return open_existing().ledger
    except ServiceError:
        return None


def render_plan(plan: Plan, found: Submission) -> str:
    """The plan as text."""
    return "\n".join(_lines(plan, found))


def _lines(plan: Plan, found: Submission) -> Iterator[str]:
    yield f"{plan.space.name}: {plan.space.description}".rstrip(": ")
    yield from map(str, plan.accounting.lines())
    footprints = sorted({run.footprint_mib for run in plan.runs})
    span = f"{footprints[0]}" if len(footprints) == 1 else f"{footprints[0]} to {footprints[-1]}"
    yield f"predicted peak memory of a run: {span} MiB"
    yield describe(found)
