"""`orchestrator plan`: what a search space would train, and what of it the ledger knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.commands.submission import describe, submission_json
from orchestrator.search_space.grid import Accounting

if TYPE_CHECKING:
    from orchestrator.ledger import Submission
    from orchestrator.search_space.sweep import Plan


def plan_json(plan: Plan, found: Submission) -> dict[str, Any]:
    """What a submission would give, how its runs come about (`grid`), and the memory that they should need."""
    footprints = [run.footprint_mib for run in plan.runs]
    return {
        **submission_json(plan.space.name, found),
        "description": plan.space.description,
        "grid": plan.accounting._asdict(),
        "footprint_mib": {"least": min(footprints), "most": max(footprints)},
    }


def render_plan(seen: Mapping[str, Any]) -> str:
    """The plan as text."""
    return "\n".join(_lines(seen))


def _lines(seen: Mapping[str, Any]) -> Iterator[str]:
    yield f"{seen['sweep']}: {seen['description']}".rstrip(": ")
    yield from Accounting(*(seen["grid"][field] for field in Accounting._fields)).lines()
    least, most = seen["footprint_mib"]["least"], seen["footprint_mib"]["most"]
    yield f"predicted peak memory of a run: {least if least == most else f'{least} to {most}'} MiB"
    yield describe(seen)
