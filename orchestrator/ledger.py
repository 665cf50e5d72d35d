"""The ledger of runs in Redis: the one source of truth.

One hash per run, one sorted set per sweep and state. Every move is one Lua script that checks the transition
table and the attempt's token, so two writers cannot both succeed and the sets never drift from the hashes;
their sizes answer `status` without a scan. Workers read a run's spec here and never write.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from orchestrator.errors import FencedError, RefusedError, UnknownNameError
from orchestrator.events import announce
from orchestrator.records import Group, Run, Sweep, SweepPolicy
from orchestrator.states import RunState, sources
from worker.spec import PREFIX, RunSpec, run_key, sweep_key

if TYPE_CHECKING:
    from orchestrator.redis_door import Redis

SWEEPS = f"{PREFIX}:sweeps"
UNSETTLED = f"{PREFIX}:unsettled"
"""Runs whose last move MLflow does not show yet."""
WAKE = f"{PREFIX}:wake"
"""Stream that wakes the balancer before its tick."""
STILLBORN = "stillborn"
"""Field of a sweep: how many workers in a row ended before they were ready."""
RANK = 1_000_000
"""A run's place in the queue is its rank, times this, and its number in the sweep."""
_BATCH = 500


class Submission(NamedTuple):
    """What a submission found."""

    runs: int
    new: int
    known: Mapping[RunState, int]
    """Runs of this submission that were known before, by state."""
    dropped: int
    """Known runs that the search space no longer has."""


class QueueLine(NamedTuple):
    """Queued runs of a sweep that need the same."""

    group: Group
    size: int
    """How many there are."""
    waits_since: float
    """When one of them was last given to a worker, or the first of them came."""
    run_ids: tuple[str, ...]
    """The first ones."""
    rank: int
    """Of the first one."""


class LeaseOf(NamedTuple):
    """The lease that a worker has while it executes a run."""

    worker: str
    lease_mib: int
    cap_mib: int
    exclusive: bool = False


class Ledger:
    """Reads and moves runs."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._submit = _script(redis, "submit")
        self._move = _script(redis, "move")
        self._queue = _script(redis, "queue")

    def submit(self, name: str, runs: Sequence[RunSpec], fields: Mapping[str, str]) -> Submission:
        """Queue every run that is not known yet; submitting the same runs again changes nothing.

        `fields` are those of a `Sweep`; what a person or the balancer has set since is kept.
        """
        with self.redis.pipeline() as pipe:
            pipe.hset(sweep_key(name), mapping={"name": name, **fields})
            pipe.zadd(SWEEPS, {name: time.time()}, nx=True)
            pipe.execute()
        exclusive = SweepPolicy.model_validate_json(fields["policy"]).exclusive
        before = list(self._create(name, [(run, Group.of(run, exclusive=exclusive)) for run in runs]))
        self.wake()
        known = Counter(RunState(state) for state in before if state != "new")
        return Submission(len(runs), before.count("new"), known, sum(self.counts(name).values()) - len(runs))

    def preview(self, name: str, runs: Sequence[RunSpec]) -> Submission:
        """What `submit` would find, changing nothing."""
        states = list(self._states_of(run.run_id for run in runs))
        known = Counter(RunState(state) for state in states if state)
        total = sum(self.counts(name).values())
        return Submission(len(runs), states.count(None), known, total - sum(known.values()))

    def sweeps(self) -> list[str]:
        """Names of all sweeps, the first submitted first."""
        return list(self.redis.zrange(SWEEPS, 0, -1))

    def sweep(self, name: str) -> Sweep:
        """One sweep.

        Raises:
            UnknownNameError: never submitted.
        """
        fields = self.redis.hgetall(sweep_key(name))
        if not fields:
            known = ", ".join(self.sweeps()) or "none yet"
            raise UnknownNameError(f"no sweep is called '{name}'; known: {known}")
        return Sweep.from_hash(fields)

    def mark_sweep(self, name: str, **fields: str) -> None:
        """Set `hold`, `paused`, `experiment_id` or `parent_run_id` of a sweep."""
        self.redis.hset(sweep_key(name), mapping=cast("Any", fields))
        announce(self.redis, name, fields)
        self.wake()

    def forget_failures(self, name: str) -> None:
        """Count alike failures and stillborn workers of a sweep from none again."""
        self.redis.delete(alike_key(name))
        self.redis.hdel(sweep_key(name), STILLBORN)

    def counts(self, name: str) -> dict[RunState, int]:
        """Number of runs in each of the seven states."""
        with self.redis.pipeline() as pipe:
            for state in RunState:
                pipe.zcard(_members(name, state))
            return dict(zip(RunState, pipe.execute(), strict=True))

    def run(self, run_id: str) -> Run:
        """One run.

        Raises:
            UnknownNameError: never submitted.
        """
        fields = self.redis.hgetall(run_key(run_id))
        if not fields:
            raise UnknownNameError(f"no run is called '{run_id}'; `orchestrator status SWEEP --runs` lists them")
        return Run.from_hash(fields, run_id=run_id)

    def runs(self, name: str, *states: RunState) -> list[Run]:
        """Runs of a sweep in these states (all where none is given), each state in queue order."""
        ids: list[str] = []
        for state in states or tuple(RunState):
            ids += self.redis.zrange(_members(name, state), 0, -1)
        return list(self.runs_by_id(ids).values())

    def runs_by_id(self, run_ids: Iterable[str]) -> dict[str, Run]:
        """Those of the runs that are known, by their ids."""
        ids = list(run_ids)
        with self.redis.pipeline() as pipe:
            for run_id in ids:
                pipe.hgetall(run_key(run_id))
            found = zip(ids, pipe.execute(), strict=True)
        return {run_id: Run.from_hash(fields, run_id=run_id) for run_id, fields in found if fields}

    def queue(self, name: str, most: int) -> list[QueueLine]:
        """The queue of a sweep by what its runs need, with the first `most` of each kind."""
        return [_queue_line(*line) for line in self._queue(args=[name, time.time(), most])]

    def add_group(self, sweep: str, group: Group) -> None:
        """Make a group known, before a run joins it."""
        self.redis.hset(f"{sweep_key(sweep)}:groups", group.name, group.model_dump_json())

    def group(self, run: Run) -> Group:
        """What a run needs, and where others are tried first."""
        text = self.redis.hget(f"{sweep_key(run.sweep)}:groups", run.group)
        return Group.model_validate_json(text) if text else Group.of(run.spec, exclusive=False)

    def find_run(self, name: str) -> Run:
        """The one run with this id or slug, or whose id begins so; raises as `find_runs` does."""
        return self.find_runs([name])[0]

    def find_runs(self, names: Sequence[str]) -> list[Run]:
        """For each name, the one run with this id or slug, or whose id begins so; UnknownNameError unless it is one."""
        known = self.runs_by_id(names)
        others = [] if set(names) <= known.keys() else [run for sweep in self.sweeps() for run in self.runs(sweep)]
        return [known.get(name) or _only(name, others) for name in dict.fromkeys(names)]

    def move(
        self,
        run_id: str,
        target: RunState,
        *,
        token: str = "",
        lease: LeaseOf | None = None,
        fields: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Move a run to `target`, setting `fields`.

        With `token`, only the holder of the run's current token succeeds; with `lease`, its worker is bound too, and
        has that lease from now on.

        Raises:
            FencedError: the token is not the current one.
            RefusedError: the run's state, or its worker's, does not allow it.
        """
        allowed = ",".join(sorted(sources(target)))
        pairs = [str(part) for pair in fields.items() for part in pair]
        bound = (lease.worker, lease.lease_mib, lease.cap_mib, int(lease.exclusive)) if lease else ("", 0, 0, 0)
        answer = self._move(args=[run_id, target, allowed, token, time.time(), *bound, *pairs])
        if answer == "fenced":
            raise FencedError(f"run {run_id} has another token than {token}")
        if answer != "ok":
            raise RefusedError(f"run {run_id} cannot become {target}: {answer}")

    def note(self, noted: Mapping[str, Mapping[str, object]]) -> None:
        """Set fields of runs, by their ids, without moving them."""
        with self.redis.pipeline(transaction=False) as pipe:
            for run_id, fields in noted.items():
                pipe.hset(run_key(run_id), mapping={name: str(value) for name, value in fields.items()})
            pipe.execute()

    def wake(self) -> None:
        """Let the balancer look at once."""
        self.redis.xadd(WAKE, {"at": time.time()}, maxlen=100)

    def _create(self, sweep: str, runs: Sequence[tuple[RunSpec, Group]]) -> Iterator[str]:
        for group in {group.name: group for _, group in runs}.values():
            self.add_group(sweep, group)
        numbered = iter(enumerate(runs))
        while batch := list(islice(numbered, _BATCH)):
            args: list[Any] = [sweep, time.time()]
            for number, (run, group) in batch:
                place = run.rank * RANK + number
                args += [run.run_id, place, group.name, run.signature, run.model_dump_json()]
            yield from self._submit(args=args)

    def _states_of(self, run_ids: Iterable[str]) -> list[str | None]:
        with self.redis.pipeline() as pipe:
            for run_id in run_ids:
                pipe.hget(run_key(run_id), "state")
            return list(pipe.execute())


def alike_key(sweep: str) -> str:
    """Hash of a sweep's failures: how many were alike, by their signature."""
    return f"{sweep_key(sweep)}:signatures"


def _queue_line(group: str, size: int, waits_since: str, heads: Sequence[str]) -> QueueLine:
    rank = int(float(heads[1])) // RANK
    return QueueLine(Group.model_validate_json(group), size, float(waits_since), tuple(heads[::2]), rank)


def _only(name: str, runs: Sequence[Run]) -> Run:
    matches = [run for run in runs if name == run.spec.slug] or [run for run in runs if run.run_id.startswith(name)]
    if len(matches) != 1:
        found = f"{len(matches) or 'no'} runs begin with '{name}'"
        raise UnknownNameError(f"{found}; `orchestrator status SWEEP --runs` lists them all")
    return matches[0]


def _members(sweep: str, state: RunState) -> str:
    return f"{sweep_key(sweep)}:{state}"


def _script(redis: Redis, name: str) -> Any:
    texts = ((resources.files("orchestrator") / "lua" / f"{part}.lua").read_text() for part in ("join", name))
    return redis.register_script("".join(texts))
