"""What workers say, applied to the ledger.

Every move carries the attempt's token, so a report that comes twice, or from an attempt that was given up, changes
nothing. What a failure leads to is decided by its class and by how often that class has struck this run.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.balancer.closures import Closures
from orchestrator.balancer.experience import Experience
from orchestrator.balancer.leases import Entry, Leases
from orchestrator.errors import FencedError, RefusedError, UnknownNameError
from orchestrator.ledger import UNSETTLED, Ledger, alike_key
from orchestrator.records import Group, Run, Sweep, SweepPolicy, Worker, WorkerState
from orchestrator.states import RunState
from worker.spec import CPU_DEVICE, DEVICE_FAULT, PROCESS_ENDED, FailureClass, Report, ReportKind

_log = logging.getLogger(__name__)

LOST_WITH_WORKER = "worker lost"
"""Signature of a run whose worker died under it."""
_MAY_BE_THE_DEVICES = (LOST_WITH_WORKER, PROCESS_ENDED, DEVICE_FAULT)
"""How signatures of failures begin after which a run is tried on another device."""
_POISON = 3
"""A run that has taken so many workers down with it stops, whatever its budget."""
_ENOUGH_TO_JUDGE = 5
"""Runs that must be over before the failed share can pause a sweep."""
_FIRST_BACKOFF_S = 1.0
_LONGEST_BACKOFF_S = 300.0
_PACE = {"epoch", "epochs", "steps_per_s", "peak_mib"}
"""What is told of a run on its way."""


class Verdict(NamedTuple):
    """What becomes of a run after a failure."""

    target: RunState
    fields: Mapping[str, Any]
    group: Group
    """Where it is queued again, if it is."""


class Reports:
    """Applies reports, and the loss of workers."""

    def __init__(self, ledger: Ledger, leases: Leases, experience: Experience, closures: Closures) -> None:
        self._ledger, self._leases = ledger, leases
        self._experience, self._closures = experience, closures

    def apply(self, entries: Sequence[Entry]) -> None:
        """Apply reports in their order, then forget them."""
        for entry in entries:
            self._apply(entry)
        self._leases.applied(entries)

    def note_paces(self, told: Iterable[Report], runs: Mapping[str, Run]) -> dict[str, Run]:
        """Enter how far these runs are and how fast they go; gives those of which there is news, as they are now."""
        current = [(runs[one.run_id], one) for one in told if one.run_id in runs and _is_of(one, runs[one.run_id])]
        news = {run.run_id: gone_on for run, report in current if (gone_on := _gone_on(run, report)) != run}
        self._ledger.note({run_id: run.model_dump(include=_PACE) for run_id, run in news.items()})
        return news

    def _apply(self, entry: Entry) -> None:
        report = entry.report
        try:
            if report.kind is ReportKind.READY:
                self._leases.welcome(entry.worker_id)
            else:
                self._apply_to_run(report, self._leases.worker(entry.worker_id))
        except (FencedError, RefusedError, UnknownNameError) as error:
            _log.info("fenced: %s of worker %s: %s", report.kind, entry.worker_id, error)
            self._settle_again(report.run_id)

    def lose(self, worker: Worker, why: str, failure: FailureClass = FailureClass.INFRA) -> None:
        """Give up a worker that is gone, and the attempt that it had; its lease stays until its memory is seen free."""
        _log.info("worker %s ends: %s", worker.worker_id, why)
        if worker.run_id:
            self._give_up(self._ledger.run(worker.run_id), worker, why, failure)
        if failure is FailureClass.INFRA and worker.state is not WorkerState.DRAINING:
            self._closures.strike(worker.device, worker.run_id or worker.worker_id, why)
        self._leases.release(worker)

    def _give_up(self, run: Run, worker: Worker, why: str, failure: FailureClass) -> None:
        """Take the run from a worker that is gone; one that was asked to leave is charged nothing."""
        try:
            if not run.token or run.worker != worker.worker_id:
                self._settle_again(run.run_id)
            elif worker.state is WorkerState.DRAINING:
                self._ledger.move(run.run_id, RunState.QUEUED, token=run.token, fields={"message": "released"})
            else:
                self._fail(run, _loss(run, why, failure), worker)
        except (FencedError, RefusedError) as error:
            _log.info("run %s was moved meanwhile: %s", run.run_id, error)

    def _settle_again(self, run_id: str) -> None:
        """Let MLflow be looked at once more: an attempt that no longer counts may have opened a run there."""
        if run_id:
            self._ledger.redis.sadd(UNSETTLED, run_id)

    def _apply_to_run(self, report: Report, worker: Worker | None) -> None:
        if not report.token:
            raise FencedError(f"a report of run {report.run_id} without a token")
        common = {"epoch": report.epoch, "epochs": report.epochs, "peak_mib": report.peak_mib}
        match report.kind:
            case ReportKind.STARTED:
                started = {"started_at": report.at, **common}
                self._ledger.move(report.run_id, RunState.RUNNING, token=report.token, fields=started)
            case ReportKind.PROGRESS:
                self._progress(report, common, worker)
            case ReportKind.FINISHED:
                self._finish(report, common, worker)
            case ReportKind.RELEASED:
                released = {"message": "released", **common}
                self._ledger.move(report.run_id, RunState.QUEUED, token=report.token, fields=released)
            case ReportKind.FAILED:
                self._fail(self._current(report), report, worker)

    def _current(self, report: Report) -> Run:
        """The run, where the report is of its present attempt."""
        run = self._ledger.run(report.run_id)
        if run.token != report.token:
            raise FencedError(f"run {run.run_id} has another token than {report.token}")
        return run

    def _progress(self, report: Report, common: Mapping[str, int], worker: Worker | None) -> None:
        run = self._current(report)
        rate = {"steps_per_s": report.steps_per_s} if report.steps_per_s else {}
        metrics = {"metrics": json.dumps(report.metrics)} if report.metrics else {}
        self._ledger.note({report.run_id: {**rate, **metrics, **common}})
        if worker and report.metrics and not worker.steady:
            self._leases.note(worker.worker_id, steady="1")
            self._closures.went_well(worker.device)
        if worker and report.metrics and report.peak_mib:
            self._experience.passed_epoch(run.spec.signature, worker.model, report.peak_mib)

    def _finish(self, report: Report, common: Mapping[str, int], worker: Worker | None) -> None:
        run = self._ledger.run(report.run_id)
        result = {
            "accepted_token": report.token,
            "mlflow_run_id": report.mlflow_run_id,
            "metrics": json.dumps(report.metrics),
            "ended_at": report.at,
            "message": "",
        }
        self._ledger.move(report.run_id, RunState.FINISHED, token=report.token, fields={**result, **common})
        if worker:
            group = Group.of(run.spec, exclusive=False)
            self._experience.finished(group, worker.model, report.peak_mib, _pace_s(run, report))
            self._closures.went_well(worker.device)

    def _fail(self, run: Run, report: Report, worker: Worker | None) -> None:
        sweep = self._ledger.sweep(run.sweep)
        group = self._group_after(run, report, worker)
        verdict = judge(run, report, sweep.policy, group)
        if verdict.target is RunState.QUEUED:
            self._ledger.add_group(run.sweep, verdict.group)
        self._ledger.move(run.run_id, verdict.target, token=run.token, fields=verdict.fields)
        _log.warning("run %s: %s, now %s: %s", run.run_id, report.failure, verdict.target, report.message)
        if worker and report.failure is FailureClass.OOM:
            self._experience.went_over(run.spec.signature, worker.model, worker.cap_mib)
        if worker and report.failure in (FailureClass.OOM, FailureClass.INFRA):
            self._leases.note(worker.worker_id, settling_since=time.time())
        if verdict.target is RunState.FAILED:
            self._break_circuit(sweep, report.signature)

    def _group_after(self, run: Run, report: Report, worker: Worker | None) -> Group:
        """What the run needs; where its device may be to blame, on another one first."""
        group = self._ledger.group(run)
        may_be = report.failure is FailureClass.INFRA and report.signature.startswith(_MAY_BE_THE_DEVICES)
        if worker is None or worker.device == CPU_DEVICE or not may_be:
            return group
        return Group.of(run.spec, exclusive=group.exclusive, shuns=group.shuns | {worker.device})

    def _break_circuit(self, sweep: Sweep, signature: str) -> None:
        alike = self._ledger.redis.hincrby(alike_key(sweep.name), signature, 1)
        counts = self._ledger.counts(sweep.name)
        reason = pause_reason(sweep, alike, signature, counts)
        if reason and not sweep.paused:
            _log.warning("sweep %s paused: %s", sweep.name, reason)
            self._ledger.mark_sweep(sweep.name, paused=reason)


def judge(run: Run, report: Report, policy: SweepPolicy, group: Group) -> Verdict:
    """Retry the run, in `group`, after a pause that is longer each time, or give it up.

    A run that went over its cap is given more; going over again, a device to itself; and then nothing is left to try.
    """
    failure = report.failure or FailureClass.INFRA
    failures = {**run.failures, failure: run.failures.get(failure, 0) + 1}
    fields: dict[str, Any] = {"failures": json.dumps(failures), "message": report.message, "ended_at": report.at}
    if failure is FailureClass.OOM and group.exclusive:
        fields["message"] = f"had a device to itself and yet too little memory: {report.message}"
        return Verdict(RunState.INFEASIBLE, fields, group)
    if failures.get(FailureClass.OOM, 0) > 1:
        group = Group.of(run.spec, exclusive=True, shuns=group.shuns)
    poisonous = report.signature == LOST_WITH_WORKER and failures[failure] >= _POISON
    if failures[failure] > policy.retries.get(failure, 0) or poisonous:
        return Verdict(RunState.FAILED, fields, group)
    wait_s = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** (sum(failures.values()) - 1)) * random.uniform(0.5, 1.5)
    return Verdict(RunState.QUEUED, {**fields, "not_before": time.time() + wait_s, "group": group.name}, group)


def pause_reason(sweep: Sweep, alike: int, signature: str, counts: Mapping[RunState, int]) -> str:
    """Why the sweep should pause after one more failed run; empty where it should not."""
    if alike >= sweep.policy.same_failure:
        return f"{alike} runs failed alike: {signature}"
    over = sum(count for state, count in counts.items() if state.is_over)
    share = counts[RunState.FAILED] / max(over, 1)
    if over >= _ENOUGH_TO_JUDGE and share > sweep.policy.failed_fraction:
        return f"{counts[RunState.FAILED]} of {over} runs that are over have failed"
    return ""


def _is_of(report: Report, run: Run) -> bool:
    """Whether a report is of the run's present attempt."""
    return bool(run.token) and run.token == report.token


def _gone_on(run: Run, report: Report) -> Run:
    """The run with what was told; a pace is told beside the stream, and may be older than what came through it."""
    return run.model_copy(
        update={
            "epoch": max(run.epoch, report.epoch),
            "epochs": report.epochs or run.epochs,
            "steps_per_s": report.steps_per_s or run.steps_per_s,
            "peak_mib": max(run.peak_mib, report.peak_mib),
        }
    )


def _loss(run: Run, why: str, failure: FailureClass) -> Report:
    return Report(
        kind=ReportKind.FAILED,
        run_id=run.run_id,
        token=run.token,
        at=time.time(),
        failure=failure,
        signature=LOST_WITH_WORKER if failure is FailureClass.INFRA else why,
        message=why,
    )


def _pace_s(run: Run, report: Report) -> float:
    """Time that each unit of the run's work took; 0 where an earlier attempt did part of it."""
    if run.attempts > 1 or not run.started_at:
        return 0.0
    return (report.at - run.started_at) / max(run.spec.work_gflop, 1e-9)
