"""What runs have taught, kept in Redis: the memory, pace and load of each signature on each model of device.

Only the balancer writes here, so what it has read once it need not read again.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from orchestrator.balancer.decision.footprints import Learned, cap_mib, least_mib, margin_unknown
from orchestrator.balancer.decision.throughput import learn
from orchestrator.records import Group
from worker.spec import CPU_MODEL, PREFIX

if TYPE_CHECKING:
    from orchestrator.redis_door import Redis

LEARNED = f"{PREFIX}:learned"
OVERHEADS = f"{PREFIX}:overheads"

SUPERVISOR_MIB = 450
"""Of the 780 MiB that a supervisor holds after its imports, what its child does not share (measured: about 400)."""
CONTEXT_MIB = 1536
"""CUDA context, libraries and kernels of a run beside its allocator's cap, until one has held more (1,357 was seen)."""

_KNOWN = {field.name for field in fields(Learned)}


class Experience:
    """Reads and writes what was learned."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._learned = {key: _learned(text) for key, text in redis.hgetall(LEARNED).items()}
        self._overheads = {model: int(mib) for model, mib in redis.hgetall(OVERHEADS).items()}
        self._margins: dict[str, float] = {}

    def of(self, signature: str, model: str) -> Learned:
        """What is known of a signature on a model of device."""
        return self._learned.get(f"{signature}|{model}", Learned())

    def cap_mib(self, group: Group, model: str, whole_mib: int) -> int:
        """What one run of the group is given on a model of device, of which one can give `whole_mib` at most."""
        known, margin, predicted_mib = self.of(group.signature, model), self.margin(model), group.predicted_mib(model)
        cap = cap_mib(predicted_mib, known, margin=margin, fixed=group.fixed)
        content = not group.fixed and least_mib(predicted_mib, known) < whole_mib
        return min(cap, whole_mib) if content else cap

    def margin(self, model: str) -> float:
        """What a prediction for a model of device is multiplied by while no run of the signature has finished."""
        if model not in self._margins:
            self._margins[model] = margin_unknown(self._on(model))
        return self._margins[model]

    def expected_s(self, group: Group, models: Iterable[str]) -> float:
        """How long a run of the group will take on the fastest of these models; infinite where nothing is known."""
        paces = [self.of(group.signature, model).pace_s or self._usual_pace_s(model) for model in models]
        return min((pace_s * group.work_gflop for pace_s in paces if pace_s), default=math.inf)

    def loads(self) -> dict[tuple[str, str], float]:
        """Share of a device that one run of a signature keeps busy, by (model, signature)."""
        split = ((key.partition("|"), learned.load) for key, learned in self._learned.items())
        return {(model, signature): load for (signature, _, model), load in split if load is not None}

    def overhead_mib(self, model: str) -> int:
        """What a worker holds beside its run's cap."""
        return self._overheads.get(model, SUPERVISOR_MIB if model == CPU_MODEL else CONTEXT_MIB)

    def passed_epoch(self, signature: str, model: str, peak_mib: int) -> None:
        """A run has passed an epoch with this peak so far."""
        if peak_mib > self.of(signature, model).provisional_mib:
            self._keep(signature, model, self.of(signature, model).passed_epoch(peak_mib))

    def finished(self, group: Group, model: str, peak_mib: int, pace_s: float) -> None:
        """A run of the group has finished."""
        if peak_mib:
            predicted = 0 if group.fixed else group.predicted_mib(model)
            known = self.of(group.signature, model)
            self._keep(group.signature, model, known.has_finished(peak_mib, pace_s, predicted))
            self._margins.pop(model, None)

    def went_over(self, signature: str, model: str, cap_mib: int) -> None:
        """A run has gone over its cap."""
        self._keep(signature, model, self.of(signature, model).went_over(cap_mib))

    def held_beside_cap(self, model: str, mib: int) -> None:
        """A worker was seen to hold so much more than its cap."""
        if mib > self.overhead_mib(model):
            self._overheads[model] = mib
            self._redis.hset(OVERHEADS, model, mib)

    def rates(self, model: str, seen: Sequence[tuple[str, float]]) -> None:
        """The steps per second (signature, rate) that the runs on one device reach together."""
        for signature, rate in seen:
            known = self.of(signature, model)
            if rate > known.best_rate:
                self._keep(signature, model, replace(known, best_rate=rate))
        best = {signature: self.of(signature, model).best_rate for signature, _ in seen}
        loads = {name: load for name in best if (load := self.of(name, model).load) is not None}
        for signature, load in learn(loads, seen, best).items():
            self._keep(signature, model, replace(self.of(signature, model), load=round(load, 3)))

    def _usual_pace_s(self, model: str) -> float:
        paces = [one.pace_s for one in self._on(model) if one.pace_s]
        return statistics.median(paces) if paces else 0.0

    def _on(self, model: str) -> Iterator[Learned]:
        return (one for key, one in self._learned.items() if key.endswith(f"|{model}"))

    def _keep(self, signature: str, model: str, learned: Learned) -> None:
        key = f"{signature}|{model}"
        if self._learned.get(key) != learned:
            self._learned[key] = learned
            self._redis.hset(LEARNED, key, json.dumps(learned.as_json()))


def _learned(text: str) -> Learned:
    stored: Mapping[str, float] = json.loads(text)
    return Learned(**{name: value for name, value in stored.items() if name in _KNOWN})  # type: ignore[arg-type]
