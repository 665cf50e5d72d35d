"""`balancer explain`: where one run stands, and why, put together from the ledger and the balancer's last snapshot."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from orchestrator.balancer.answers.explanation import Reasons, cap_from, minutes
from orchestrator.balancer.answers.hindsight import Hindsight
from orchestrator.balancer.answers.snapshot import HELD, whole_s
from orchestrator.balancer.answers.status import SNAPSHOT, judged
from orchestrator.balancer.decision.observation import Demand, Observation
from orchestrator.balancer.decision.place import Place
from orchestrator.balancer.leases import Leases
from orchestrator.errors import UnknownNameError
from orchestrator.ledger import Ledger
from orchestrator.records import Group, Run, Sweep
from orchestrator.states import RunState
from worker.spec import sweep_key


def inquire(ledger: Ledger, name: str) -> dict[str, Any]:
    """One object about the run with this id or slug, or whose id begins so; `docs/balancer-status.md` has its keys.

    Raises:
        UnknownNameError: none, or several.
    """
    run, seen = _find(ledger, name), judged(ledger.redis.get(SNAPSHOT))
    hindsight = Hindsight(ledger, seen)
    return {
        "up": seen["up"],
        "age_s": seen["age_s"],
        "at": seen["at"],
        "run": run.run_id,
        "slug": run.spec.slug,
        "sweep": run.sweep,
        "state": str(run.state),
        "attempts": run.attempts,
        "failures": {str(failure): count for failure, count in run.failures.items()},
        "message": run.message,
        "started_at": run.started_at or None,
        "ended_at": run.ended_at or None,
        "peak_mib": run.peak_mib or None,
        "metrics": run.metrics,
        "queue": _queue(hindsight, ledger, run) if run.state is RunState.QUEUED else None,
        "under_way": _under_way(hindsight, ledger, run, seen) if run.token else None,
    }


def _find(ledger: Ledger, name: str) -> Run:
    try:
        return ledger.run(name)
    except UnknownNameError:
        return ledger.find_run(name)


def _queue(hindsight: Hindsight, ledger: Ledger, run: Run) -> dict[str, Any]:
    observation = hindsight.recall()
    reasons, demand = Reasons(observation), hindsight.demand_of(run, observation)
    like_it = _like_it_before(ledger, run)
    return {
        "why": _why(ledger.sweep(run.sweep), run, observation, reasons, demand),
        "runs_before": _before(reasons, demand, like_it),
        "like_it_before": like_it,
        "retry_at": run.not_before if run.not_before > time.time() else None,
        "reservation": _reservation(reasons, demand),
        "devices": [_device(hindsight, run, reasons, place, demand) for place in reasons.board.places.values()],
    }


def _why(sweep: Sweep, run: Run, observation: Observation, reasons: Reasons, demand: Demand) -> str:
    if sweep.paused or sweep.hold:
        return f"its sweep is paused: {sweep.paused}" if sweep.paused else f"its sweep is {HELD}"
    if observation.shutting_down:
        return "the system is shutting down; `orchestrator up` lets runs start again"
    if (wait_s := run.not_before - time.time()) > 0:
        return f"it has failed, and is tried again in {minutes(wait_s)}: {run.message}"
    if device_id := reasons.placed.get(run.run_id):
        return f"it gets a place on {reasons.board.places[device_id].name} next"
    return reasons.why(demand)


def _like_it_before(ledger: Ledger, run: Run) -> int | None:
    """Runs of its sweep that need the same and go first; None where it does not stand in the queue."""
    rank: int | None = ledger.redis.zrank(f"{sweep_key(run.sweep)}:queue:{run.group}", run.run_id)
    return rank


def _before(reasons: Reasons, demand: Demand, like_it: int | None) -> int | None:
    """Runs of the whole queue that are asked before it."""
    if like_it is None or demand not in reasons.queue:
        return None
    earlier = reasons.queue[: reasons.queue.index(demand)]
    return like_it + sum(other.count or len(other.run_ids) for other in earlier)


def _reservation(reasons: Reasons, demand: Demand) -> dict[str, Any] | None:
    reserved = reasons.reserved(demand)
    if reserved is None:
        return None
    return {
        "device": reserved.device_id,
        "name": reasons.board.places[reserved.device_id].name,
        "in_s": whole_s(reserved.in_s),
        "after_run": reasons.run_before(reserved) or None,
    }


def _device(hindsight: Hindsight, run: Run, reasons: Reasons, place: Place, demand: Demand) -> dict[str, Any]:
    model, group = place.device.model, Group.of(run.spec, exclusive=False)
    learned, need = hindsight.experience.of(group.signature, model), reasons.board.need_mib(place, demand)
    return {
        "device": place.device.device_id,
        "name": place.name,
        "model": model,
        "predicted_mib": group.predicted_mib(model),
        "learned_mib": learned.peak_mib or learned.provisional_mib or None,
        "finished": learned.finished,
        "ooms": learned.ooms,
        "cap_mib": need,
        "cap_from": cap_from(group, model, learned, need, hindsight.experience.margin(model)),
        "lease_mib": reasons.lease_mib(place, demand),
        "headroom_mib": place.headroom_mib,
        "why": reasons.in_the_way(place, demand),
    }


def _under_way(hindsight: Hindsight, ledger: Ledger, run: Run, seen: Mapping[str, Any]) -> dict[str, Any] | None:
    worker = Leases(ledger.redis).worker(run.worker)
    if worker is None:
        return None
    learned = hindsight.experience.of(run.spec.signature, worker.model)
    observed = {one["worker"]: one["observed_mib"] for one in seen["workers"]}
    names = {device["device"]: device["name"] for device in seen["devices"]}
    return {
        "worker": worker.worker_id,
        "worker_state": str(worker.state),
        "device": worker.device,
        "name": names.get(worker.device, worker.device),
        "predicted_mib": Group.of(run.spec, exclusive=False).predicted_mib(worker.model),
        "learned_mib": learned.peak_mib or learned.provisional_mib or None,
        "cap_mib": worker.cap_mib or None,
        "lease_mib": worker.lease_mib,
        "observed_mib": observed.get(worker.worker_id),
        "peak_mib": run.peak_mib or None,
        "epoch": run.epoch,
        "epochs": run.epochs,
        "steps_per_s": run.steps_per_s,
        "ends_in_s": whole_s(run.ends_in_s),
    }
