"""Answers from the ledger, the balancer's snapshot and the logs on disk.

What an answer needs is imported when it is asked for: `balancer status` must not wait for what `submit` needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.addresses import redis_url
from orchestrator.backends.port import Answer, Steer
from orchestrator.errors import ServiceError
from orchestrator.settings import Settings
from orchestrator.wire import finite

if TYPE_CHECKING:
    from orchestrator.commands.progress import Progress
    from orchestrator.ledger import Ledger
    from orchestrator.search_space.sweep import Plan
    from orchestrator.search_space.text_source import Source


class Direct:
    """The backend of the machine that has the ledger. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, connected when it is first needed; raises ServiceError where Redis does not answer."""
        from orchestrator.ledger import Ledger
        from orchestrator.redis_door import connect

        return Ledger(connect(redis_url(self._settings)))

    @cached_property
    def _progress(self) -> Progress:
        from orchestrator.commands.progress import Progress

        return Progress(self.ledger, self._settings.mlflow_public_url)

    def close(self) -> None:
        if "ledger" in vars(self):
            self.ledger.redis.close()

    def planned(self, source: Source) -> Plan:
        """A search space with its runs, checked; raises SearchSpaceError or InputError."""
        from orchestrator.search_space.sweep import plan

        return plan(source.within(self._settings.data))

    def queue(self, plan: Plan, text: str) -> Answer:
        """Submit what was planned from `text`."""
        from orchestrator.commands.submission import submission_json, submit

        return submission_json(plan.space.name, submit(self.ledger, plan, text))

    def plan(self, source: Source) -> Answer:
        """Needs no ledger; without one every run is new."""
        made = self.planned(source)
        from orchestrator.commands.planning import plan_json
        from orchestrator.commands.submission import preview

        return plan_json(made, preview(self._ledger_if_any(), made))

    def submit(self, source: Source) -> Answer:
        return self.queue(self.planned(source), source.text)

    def status(self, sweep: str | None, *, with_runs: bool = False) -> Answer:
        from orchestrator.commands.status import status_json

        return dict(finite(status_json(self.ledger, sweep, with_runs=with_runs)))

    def progress(self, sweep: str) -> Answer:
        return dict(finite(self._progress.of(sweep)))

    def report(self, sweep: str) -> Answer:
        from orchestrator.commands.report import report_json

        return dict(finite(report_json(self.ledger, sweep)))

    def promote(self, sweep: str) -> Answer:
        from orchestrator.commands.promotion import promote

        return promote(self.ledger, self._settings, sweep)

    def steer(self, action: Steer, sweep: str, runs: Sequence[str] = ()) -> Answer:
        from orchestrator.commands.steering import steer

        return {"sweep": sweep, "message": steer(self.ledger, action, sweep, runs)}

    def log(self, run: str, attempt: str | None = None, position: int = 0) -> Answer:
        from orchestrator.commands.logs import read_log

        return read_log(self.ledger.find_run(run), self._settings.home, attempt, position)

    def balancer(self) -> Answer:
        """Reads one key, without the client library."""
        from orchestrator.balancer.answers.status import read

        return dict(finite(read(redis_url(self._settings))))

    def explain(self, run: str) -> Answer:
        from orchestrator.balancer.answers.inquiry import inquire

        return dict(finite(inquire(self.ledger, run)))

    def drain(self, device: str | None, *, now: bool) -> Answer:
        from orchestrator.balancer.answers.steering import Steering

        return Steering(self.ledger).drain(device, now=now)

    def reopen(self, device: str | None) -> Answer:
        from orchestrator.balancer.answers.steering import Steering

        return Steering(self.ledger).resume(device)

    def _ledger_if_any(self) -> Ledger | None:
        try:
            return self.ledger
        except ServiceError:
            return None
