"""How well memory is packed while runs wait: measured peaks over usable memory, beside what the best packing reaches.

The best feasible packing obeys the same limits and knows no more: a run takes its lease, not its peak; safety, foreign
maximum and growth, and slots stay. Device by device, the runs at work and in the queue are chosen whose leases fill it
best (a knapsack, near the optimum). Compute is no limit to it, so it says something only where memory is short first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, cast

from orchestrator.balancer.decision.memory import headroom_mib, lease_mib
from orchestrator.balancer.decision.observation import Device, Observation
from orchestrator.balancer.simulator.held import Held
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.scenario import Run

_EVERY_S = 600.0
_STEP_MIB = 256


Seen = tuple[Observation, dict[str, Held]]


class Item(NamedTuple):
    """What a run takes of a device, and what it will have held at its peak, MiB."""

    lease_mib: int
    peak_mib: int


@dataclass
class Packing:
    """Samples a run of the simulation."""

    reached: list[int] = field(default_factory=list)
    """Measured peaks, MiB."""
    feasible: list[int] = field(default_factory=list)
    """The same of the best packing."""
    _seen: Seen | None = None

    def look(self, machine: Machine, observation: Observation, held: dict[str, Held]) -> None:
        """Remember what a decision saw; samples are taken at times of their own, not when something has just ended."""
        if self._seen is None:
            machine.clock.at(_EVERY_S / 2, partial(self._sample, machine))
        self._seen = observation, held

    def _sample(self, machine: Machine) -> None:
        machine.clock.after(_EVERY_S, partial(self._sample, machine))
        observation, held = cast(Seen, self._seen)
        if not observation.demands:
            return
        at_work = [attempt for attempts in machine.compute.active.values() for attempt in attempts]
        self.reached.append(sum(one.run.peak_mib + one.context_mib for one in at_work))
        rooms_mib = [
            _room_mib(device, machine.memories[device.device_id].foreign_mib) for device in observation.devices
        ]
        items = list(_items(machine, observation, held.values()))
        self.feasible.append(sum(_filled(zip(observation.devices, rooms_mib, strict=True), items)))


def _items(machine: Machine, observation: Observation, held: Iterable[Held]) -> Iterator[Item]:
    """All runs at work and in the queue, with what they take now."""
    device = observation.devices[0]
    leases = {demand.signature: lease_mib(device, demand.needs_mib[device.model]) for demand in observation.demands}
    for worker in held:
        if worker.run_id:
            run = machine.runs[worker.run_id]
            yield _item(run, min(worker.lease_mib, leases.get(run.signature, worker.lease_mib)))
    for demand in observation.demands:
        run = machine.runs[demand.run_ids[0]]
        yield from [_item(run, leases[run.signature])] * demand.count


def _item(run: Run, lease: int) -> Item:
    return Item(lease, run.peak_mib + 900)


def _room_mib(device: Device, foreign_mib: int) -> int:
    """What may be leased of a device in all, while foreigners hold so much of it."""
    return headroom_mib(replace(device, free_mib=device.total_mib - foreign_mib), ())


def _filled(rooms: Iterable[tuple[Device, int]], items: list[Item]) -> Iterator[int]:
    left = sorted(items, reverse=True)
    for device, room_mib in rooms:
        chosen = best(left, room_mib, device.slots)
        for item in chosen:
            left.remove(item)
        yield sum(item.peak_mib for item in chosen)


def best(items: list[Item], room_mib: int, slots: int) -> list[Item]:
    """The items, at most so many, whose leases fill the room best."""
    room = room_mib // _STEP_MIB
    reached: dict[int, tuple[Item, ...]] = {0: ()}
    for item in _useful(items, room_mib):
        size = -(-item.lease_mib // _STEP_MIB)
        for taken, chosen in list(reached.items()):
            total = taken + size
            if total <= room and len(chosen) < slots and len(chosen) + 1 < len(reached.get(total, range(slots + 1))):
                reached[total] = (*chosen, item)
        if room in reached:
            break
    return list(reached[max(reached)])


def _useful(items: list[Item], room_mib: int) -> Iterator[Item]:
    """No more of one kind than fit together."""
    counts: dict[Item, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
        if counts[item] * item.lease_mib <= room_mib:
            yield item
