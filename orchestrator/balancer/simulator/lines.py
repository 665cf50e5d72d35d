"""The queue as the daemon's ledger keeps it: lines of runs that need the same, and what a failure leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.balancer.decision.observation import Demand
from orchestrator.balancer.experience import Experience
from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.scenario import Run
from orchestrator.records import Group

HEADS = 16
MOST_INFRA = 5
_FRESH_S = 300.0


@dataclass
class _Line:
    sweep: str
    group: Group
    waiting: list[tuple[int, int, str]] = field(default_factory=list)
    """(rank, place, run), sorted."""
    waits_since: float = 0.0
    demand: Demand | None = None
    """As it was last told; None where that is no longer true."""
    told_at: float = 0.0


class Lines:
    """Queued runs by what they need."""

    def __init__(self, runs: Iterable[Run], experience: Experience) -> None:
        self._experience = experience
        self._models: Mapping[str, int] = {}
        """The largest cap that a device of each model could give."""
        self._runs = {run.run_id: (place, run) for place, run in enumerate(runs)}
        self._alone: set[str] = set()
        """Runs that are to have a device to themselves."""
        self._failures: dict[str, dict[bool, int]] = {}
        """By run: how often, by whether it was over its own cap."""
        self._lines: dict[str, _Line] = {}
        self._now = 0.0
        self.changes = 0
        """Runs that came and went."""
        for run_id in self._runs:
            self.put_back(run_id)

    @property
    def waiting(self) -> bool:
        """Whether any run is queued."""
        return any(line.waiting for line in self._lines.values())

    def group(self, run_id: str) -> Group:
        """What a run needs."""
        return self._line(self._runs[run_id][1]).group

    def put_back(self, run_id: str) -> None:
        """Queue a run in its old place."""
        place, run = self._runs[run_id]
        line = self._line(run)
        if not line.waiting:
            line.waits_since = self._now
        line.waiting = sorted([*line.waiting, (run.rank, place, run_id)])
        line.demand = None
        self.changes += 1

    def take(self, run_id: str) -> None:
        """A run is given to a worker, or given up."""
        line = self._line(self._runs[run_id][1])
        line.waiting = [entry for entry in line.waiting if entry[2] != run_id]
        line.waits_since, line.demand = self._now, None
        self.changes += 1

    def learned(self, signature: str) -> None:
        """What is known of a signature has changed."""
        for line in self._lines.values():
            if line.group.signature == signature:
                line.demand = None

    def failed(self, run_id: str, ending: Ending) -> float | None:
        """Seconds after which the run is queued again; None where it is given up."""
        if ending is Ending.RELEASED:
            return 0.0
        failures = self._failures.setdefault(run_id, {True: 0, False: 0})
        own = ending is Ending.OWN_OOM
        failures[own] += 1
        if failures[True] > 2 or failures[False] > MOST_INFRA:
            return None
        if failures[True] == 2:
            self._alone.add(run_id)
        return float(min(300, 2 ** (sum(failures.values()) - 1)))

    def demands(self, models: Mapping[str, int], now: float) -> tuple[Demand, ...]:
        """What is queued, one line each; `models` as `decision.memory.whole_mib` tells them."""
        self._now, self._models = now, models
        return tuple(self._demand(line, now) for line in self._lines.values() if line.waiting)

    def _demand(self, line: _Line, now: float) -> Demand:
        if line.demand is None or now - line.told_at > _FRESH_S:
            line.demand, line.told_at = self._told(line), now
        waited_s = now - line.waits_since
        if waited_s - line.demand.waited_s > 60:
            line.demand = replace(line.demand, waited_s=waited_s)
        return line.demand

    def _told(self, line: _Line) -> Demand:
        group, experience = line.group, self._experience
        known = {model: experience.of(group.signature, model) for model in self._models}
        return Demand(
            sweep=line.sweep,
            run_ids=tuple(run_id for _, _, run_id in line.waiting[:HEADS]),
            needs_mib={model: experience.cap_mib(group, model, whole) for model, whole in self._models.items()},
            count=len(line.waiting),
            signature=group.signature,
            rank=line.waiting[0][0],
            expected_s=experience.expected_s(group, self._models),
            work=group.work_gflop,
            exclusive=group.exclusive,
            unproven=frozenset(model for model, learned in known.items() if not learned.is_proven),
        )

    def _line(self, run: Run) -> _Line:
        exclusive = run.exclusive or run.run_id in self._alone
        name = f"{run.sweep}/{run.signature}:{run.predicted_work:.4g}{':exclusive' if exclusive else ''}"
        if name not in self._lines:
            group = Group(
                name=name,
                signature=run.signature,
                footprint_mib=run.predicted_mib,
                gpu_footprint_mib=run.predicted_mib,
                exclusive=exclusive,
                work_gflop=run.predicted_work,
            )
            self._lines[name] = _Line(run.sweep, group)
        return self._lines[name]
