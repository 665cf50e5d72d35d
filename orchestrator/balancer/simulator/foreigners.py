"""Foreign processes, which take what the driver lets them take and wait for the rest; spells of frozen readings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from orchestrator.balancer.simulator.clock import Clock
from orchestrator.balancer.simulator.driver import Memory
from orchestrator.balancer.simulator.files import Frozen
from orchestrator.balancer.simulator.scenario import Scenario

_RETRY_S = 1.0


@dataclass
class _Process:
    """A foreign process on one device."""

    pid: int
    memory: Memory
    levels: Iterator[tuple[float, int]]
    wanted_mib: int = 0
    held_mib: int = 0


class Foreigners:
    """Everybody else on the machine."""

    def __init__(
        self,
        scenario: Scenario,
        memories: Mapping[str, Memory],
        clock: Clock,
        pids: Iterator[int],
        changed: Callable[[], None],
    ) -> None:
        self._scenario, self._memories, self._clock, self._changed = scenario, memories, clock, changed
        self._processes = [
            _Process(next(pids), memory, levels)
            for index, memory in enumerate(memories.values())
            for _, levels in scenario.foreign_levels(index)
        ]

    def begin(self) -> None:
        """Let all of them, and the frozen spells, take their course."""
        for process in self._processes:
            self._await_next(process)
        if frozen := self._scenario.fleet.frozen:
            for name, memory in self._memories.items():
                self._freeze_later(memory, _spells(frozen, self._scenario, name))

    def room_on(self, device_id: str) -> None:
        """Memory of a device was given back; who waits for some tries again."""
        for process in self._processes:
            if process.held_mib < process.wanted_mib and process.memory.device.device_id == device_id:
                self._clock.after(_RETRY_S, partial(self._take, process))

    def _await_next(self, process: _Process) -> None:
        if point := next(process.levels, None):
            self._clock.at(point[0], partial(self._turn, process, point[1]))

    def _turn(self, process: _Process, mib: int) -> None:
        process.wanted_mib = mib
        self._take(process)
        self._await_next(process)

    def _take(self, process: _Process) -> None:
        before = process.held_mib
        process.held_mib = process.memory.take_foreign(process.pid, process.wanted_mib)
        if process.held_mib != before:
            self._changed()

    def _freeze_later(self, memory: Memory, spells: Iterator[tuple[float, float]]) -> None:
        begin_s, end_s = next(spells)
        self._clock.at(begin_s, memory.freeze)
        self._clock.at(end_s, memory.thaw)
        self._clock.at(end_s, partial(self._freeze_later, memory, spells))
        self._clock.at(end_s, self._changed)


def _spells(frozen: Frozen, scenario: Scenario, name: str) -> Iterator[tuple[float, float]]:
    chance, now = scenario.stream("frozen", name), 0.0
    while True:
        begin_s = now + chance.expovariate(1 / frozen.every_s)
        now = begin_s + frozen.lasts_s.draw(chance)
        yield begin_s, now
