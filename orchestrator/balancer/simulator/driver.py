"""The memory of one simulated device, as its driver gives it out and tells of it.

Whoever asks gets memory while there is some. Readings are taken once a second, at whole seconds, so they are up to a
second old; in a frozen spell the last one stays, with its old time.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable

from orchestrator.balancer.readings import Reading
from orchestrator.balancer.simulator.scenario import Device

_REMEMBERED_S = 60.0


class Memory:
    """Who holds what of a device."""

    def __init__(self, device: Device, now: Callable[[], float]) -> None:
        self.device = device
        self.total_mib = device.kind.memory_mib
        self.used_mib = 0
        self.foreign_mib = 0
        self.foreign_levels: list[tuple[float, int]] = [(0.0, 0)]
        """What foreigners held from which time on, s and MiB."""
        self.own_mib_s = 0.0
        """What processes of ours have held, times how long."""
        self._counted_to = 0.0
        self._now = now
        self._held: dict[int, int] = {}
        self._reading = self._read(0)
        self._frozen = False

    @property
    def free_mib(self) -> int:
        """What is left."""
        return self.total_mib - self.used_mib

    def held_mib(self, pid: int) -> int:
        """What a process holds."""
        return self._held.get(pid, 0)

    def take(self, pid: int, mib: int) -> bool:
        """Let a process hold so much; False where there is not enough, and then nothing changes."""
        more = mib - self.held_mib(pid)
        if more > self.free_mib:
            return False
        self._turn_second()
        self._count()
        self._held[pid] = mib
        self.used_mib += more
        return True

    def give(self, pid: int) -> None:
        """Take back everything that a process holds."""
        self._turn_second()
        self._count()
        self.used_mib -= self._held.pop(pid, 0)

    def take_foreign(self, pid: int, wanted_mib: int) -> int:
        """Let a foreign process hold so much, or what there is; gives what it holds then."""
        mib = min(wanted_mib, self.held_mib(pid) + self.free_mib)
        more = mib - self.held_mib(pid)
        self.take(pid, mib)
        self.foreign_mib += more
        self.foreign_levels.append((self._now(), self.foreign_mib))
        return mib

    def foreign_before_mib(self, at_s: float) -> int:
        """The most that foreigners held in the minute before a time."""
        first = bisect_right(self.foreign_levels, (at_s - _REMEMBERED_S, math.inf)) - 1
        last = bisect_right(self.foreign_levels, (at_s, math.inf))
        return max(mib for _, mib in self.foreign_levels[max(0, first) : last])

    def reading(self) -> Reading:
        """What the driver tells."""
        self._turn_second()
        return self._reading

    def freeze(self) -> None:
        """Let the last reading stay."""
        self._turn_second()
        self._frozen = True

    def thaw(self) -> None:
        """Read again from the next second on."""
        self._frozen = False

    def _count(self) -> None:
        self.own_mib_s += (self.used_mib - self.foreign_mib) * (self._now() - self._counted_to)
        self._counted_to = self._now()

    def _turn_second(self) -> None:
        """Read what was true at the last whole second, before anything changes."""
        second = int(self._now())
        if second > self._reading.at and not self._frozen:
            self._reading = self._read(second)

    def _read(self, second: int) -> Reading:
        return Reading(
            self.device.device_id,
            self.device.kind.model,
            float(second),
            self.total_mib,
            self.free_mib,
            processes=dict(self._held) if self.device.kind.attributed else None,
            name=self.device.name,
        )
