"""From a search-space file to the ledger: what a submission would change, and the submission itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.ledger import Submission
from orchestrator.records import SweepPolicy
from orchestrator.states import RunState
from worker.spec import FailureClass

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger
    from orchestrator.search_space.sweep import Plan


def submit(ledger: Ledger, plan: Plan, text: str) -> Submission:
    """Queue what is new of the plan that `text` asks for, and lift the hold that a stopped `run` has left."""
    found = ledger.submit(plan.space.name, plan.runs, _fields(plan, text))
    if found.new or ledger.sweep(plan.space.name).hold:
        ledger.mark_sweep(plan.space.name, hold="0")
    return found


def preview(ledger: Ledger | None, plan: Plan) -> Submission:
    """What `submit` would find; without a ledger every run is new."""
    if ledger is None:
        return Submission(len(plan.runs), len(plan.runs), {}, 0)
    return ledger.preview(plan.space.name, plan.runs)


def submission_json(name: str, found: Submission) -> dict[str, Any]:
    """One object: the seven states sum to `runs`; `new` runs count as queued."""
    counts = {state: found.known.get(state, 0) for state in RunState}
    counts[RunState.QUEUED] += found.new
    return {
        "sweep": name,
        "runs": found.runs,
        "new": found.new,
        **{str(state): count for state, count in counts.items()},
        "dropped": found.dropped,
    }


def describe(seen: Mapping[str, Any]) -> str:
    """What a submission found, or would find, as a sentence."""
    known = {state: seen[state] for state in sorted(RunState)} | {RunState.QUEUED: seen["queued"] - seen["new"]}
    parts = [f"{seen['new']} new"] if seen["new"] else ["nothing new"]
    parts += [f"{count} {state}" for state, count in known.items() if count]
    if seen["dropped"]:
        parts.append(f"{seen['dropped']} known that the file no longer has (kept)")
    return f"{seen['runs']} runs: {', '.join(parts)}"


def _fields(plan: Plan, text: str) -> Mapping[str, str]:
    return {
        "metric": plan.runs[0].metric.model_dump_json(),
        "axes": json.dumps(list(dict.fromkeys(axis for run in plan.runs for axis in run.axes))),
        "policy": _policy(plan).model_dump_json(),
        "description": plan.space.description,
        "source": text,
        "commit": _commit(),
    }


def _policy(plan: Plan) -> SweepPolicy:
    policy = plan.space.policy
    return SweepPolicy(
        priority=policy.priority,
        exclusive=plan.space.resources.exclusive,
        retries={kind: getattr(policy.retries, kind) for kind in FailureClass},
        same_failure=policy.pause_after.same_failure,
        failed_fraction=policy.pause_after.failed_fraction,
    )


def _commit() -> str:
    """The checkout's commit, else the installed version."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return f"v{metadata.version('hd-smlm')}"
    return answer.stdout.strip()
