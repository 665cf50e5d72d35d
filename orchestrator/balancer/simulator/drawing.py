"""From the two files and a seed to a scenario.

Runs are queued seeds last, as a sweep does by default: one run of every signature, then the next of every signature.
Their predicted work comes in classes a factor of 1.5 apart, as a grid with an axis of epochs or steps has few of them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from orchestrator.balancer.simulator.files import Fleet, Group, Workload
from orchestrator.balancer.simulator.scenario import Curve, Device, Run, Scenario
from orchestrator.errors import InputError
from orchestrator.search_space.loading import SearchSpace
from orchestrator.search_space.sweep import plan
from orchestrator.search_space.text_source import read_source
from worker.spec import RunSpec

_WORK_STEP = 1.5
_JITTER_MOST = 0.025


def draw(fleet: Fleet, workload: Workload, seed: int, folder: Path = Path()) -> Scenario:
    """One scenario; `folder` is where the workload's own paths begin.

    Raises:
        InputError: a foreigner is on a device that the fleet does not have, or input data cannot be read.
        SearchSpaceError: the workload names a search space that has mistakes.
    """
    devices = tuple(_devices(fleet))
    _check_places(workload, len(devices))
    artist = _Artist(workload, random.Random(f"{seed}:runs"))
    runs = artist.of_search_space(folder / workload.search_space) if workload.search_space else artist.of_groups()
    return Scenario(
        fleet,
        devices,
        tuple(runs),
        workload.foreigners,
        workload.failures,
        dict(workload.priorities),
        workload.prediction_sigma,
        seed,
    )


def _devices(fleet: Fleet) -> Iterator[Device]:
    kinds = [kind for kind in fleet.gpus for _ in range(kind.count)]
    return (Device(f"GPU-{index}", f"gpu{index}", kind) for index, kind in enumerate(kinds))


def _check_places(workload: Workload, devices: int) -> None:
    wrong = [index for foreigner in workload.foreigners for index in foreigner.gpus if not 0 <= index < devices]
    if wrong:
        raise InputError(
            f"a foreigner is on device {wrong[0]}, and the fleet has 0 to {devices - 1}; correct 'gpus' of the workload"
        )


@dataclass(frozen=True)
class _Kind:
    """What the runs of one signature have in common."""

    signature: str
    sweep: str
    exclusive: bool
    epochs: int
    peak_mib: float
    predicted_mib: float
    load: float
    late_s: float


@dataclass(frozen=True)
class _Artist:
    """Draws the runs of a workload."""

    workload: Workload
    chance: random.Random

    def of_groups(self) -> Iterator[Run]:
        lists = [
            list(self._of_signature(group, f"{group.name}-{number:03d}" if group.signatures > 1 else group.name))
            for group in self.workload.groups
            for number in range(group.signatures)
        ]
        return (run for row in zip_longest(*lists) for run in row if run is not None)

    def of_search_space(self, path: Path) -> Iterator[Run]:
        kinds: dict[str, _Kind] = {}
        found = plan(read_source(path))
        for spec in found.runs:
            kind = kinds.setdefault(spec.signature, kinds.get(spec.signature) or self._kind_of(found.space, spec))
            expected_s = spec.work_gflop / (self.workload.gflop_per_s or 1.0)
            duration_s = expected_s * self._error(self.workload.work_sigma)
            kind = replace(kind, epochs=spec.config.training.epochs)
            yield self._run(kind, spec.run_id, spec.rank, duration_s, expected_s)

    def _kind_of(self, space: SearchSpace, spec: RunSpec) -> _Kind:
        predicted_mib = spec.gpu_footprint_mib
        return _Kind(
            signature=spec.signature,
            sweep=spec.sweep,
            exclusive=space.resources.exclusive,
            epochs=spec.config.training.epochs,
            peak_mib=predicted_mib / self._error(self.workload.prediction_sigma),
            predicted_mib=predicted_mib,
            load=min(1.0, self.workload.load.draw(self.chance)),
            late_s=self._late_s(),
        )

    def _of_signature(self, group: Group, name: str) -> Iterator[Run]:
        peak_mib = group.peak_mib.draw(self.chance)
        kind = _Kind(
            signature=name,
            sweep=group.sweep,
            exclusive=group.exclusive,
            epochs=group.epochs,
            peak_mib=peak_mib,
            predicted_mib=peak_mib * self._error(self.workload.prediction_sigma),
            load=min(1.0, group.load.draw(self.chance)),
            late_s=self._late_s(),
        )
        for rank in range(group.runs):
            duration_s = group.duration_s.draw(self.chance)
            work = _classed(duration_s * self._error(self.workload.work_sigma))
            yield self._run(kind, f"{name}-r{rank:02d}", rank, duration_s, work)

    def _late_s(self) -> float:
        """How long after the first epoch a signature takes its last memory; 0: it does not."""
        late_s = self.workload.late_s.draw(self.chance)
        return late_s if self.chance.random() < self.workload.late_share else 0.0

    def _run(self, kind: _Kind, run_id: str, rank: int, duration_s: float, work: float) -> Run:
        jitter = max(-_JITTER_MOST, min(_JITTER_MOST, self.chance.gauss(0, self.workload.jitter_sigma)))
        return Run(
            run_id=run_id,
            sweep=kind.sweep,
            signature=kind.signature,
            rank=rank,
            peak_mib=round(kind.peak_mib * (1 + jitter)),
            load=kind.load,
            duration_s=duration_s,
            epochs=kind.epochs,
            predicted_mib=round(kind.predicted_mib),
            predicted_work=work,
            exclusive=kind.exclusive,
            curve=_curve(duration_s / kind.epochs, kind.late_s, self.chance),
        )

    def _error(self, sigma: float) -> float:
        return self.chance.lognormvariate(0, sigma)


def _classed(work: float) -> float:
    return float(_WORK_STEP ** round(math.log(work, _WORK_STEP)))


def _curve(epoch_s: float, late_s: float, chance: random.Random) -> Curve:
    """Weights at once, most with the first step, the rest by the end of the first epoch; late ones long after it."""
    top = chance.uniform(0.6, 0.85) if late_s else 1.0
    first_step_s = min(chance.uniform(1, 4), 0.3 * epoch_s)
    points = ((0.0, 0.1), (first_step_s, 0.7 * top), (0.4 * epoch_s, 0.9 * top), (0.9 * epoch_s, top))
    return (*points, (epoch_s + late_s, 1.0)) if late_s else points
