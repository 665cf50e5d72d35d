"""How well memory is packed while runs wait: measured peaks over usable memory, beside what the best packing reaches.

The best feasible packing obeys the same limits and knows no more: a run takes its lease, not its peak; safety, foreign
maximum and slots stay. Device by device, the runs at work and in the queue are chosen whose leases fill it best (a
knapsack, near the optimum). Where compute is short before memory is, the policy does not want to reach it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.balancer.memory import lease_mib, safety_mib
from orchestrator.balancer.observation import Device, Observation
from orchestrator.balancer.simulator.held import Held
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.scenario import Run

_EVERY_S = 300.0
_STEP_MIB = 256


class Item(NamedTuple):
    """What a run takes of a device, and what it will have held at its peak, MiB."""

    lease_mib: int
    peak_mib: int


@dataclass
class Packing:
    """Samples a run of the simulation."""

    reached: list[float] = field(default_factory=list)
    """Measured peaks over usable memory."""
    feasible: list[float] = field(default_factory=list)
    """The same of the best packing."""
    _next_s: float = 0.0

    def look(self, machine: Machine, observation: Observation, held: dict[str, Held]) -> None:
        """Take a sample, where it is time for one and runs wait."""
        if machine.clock.now < self._next_s or not observation.demands:
            return
        self._next_s = machine.clock.now + _EVERY_S
        usable_mib = sum(memory.total_mib - memory.foreign_mib for memory in machine.memories.values())
        at_work = [attempt for attempts in machine.compute.active.values() for attempt in attempts]
        self.reached.append(sum(one.run.peak_mib + one.context_mib for one in at_work) / usable_mib)
        items = list(_items(machine, observation, held))
        self.feasible.append(sum(_filled(observation.devices, items)) / usable_mib)


def _items(machine: Machine, observation: Observation, held: dict[str, Held]) -> Iterator[Item]:
    """All runs at work and in the queue, with what they take now."""
    device = observation.devices[0]
    leases = {demand.signature: lease_mib(device, demand.needs_mib[device.model]) for demand in observation.demands}
    for worker in held.values():
        if worker.run_id:
            run = machine.runs[worker.run_id]
            yield _item(run, min(worker.lease_mib, leases.get(run.signature, worker.lease_mib)))
    for demand in observation.demands:
        run = machine.runs[demand.run_ids[0]]
        yield from [_item(run, leases[run.signature])] * demand.count


def _item(run: Run, lease: int) -> Item:
    return Item(lease, run.peak_mib + 900)


def _filled(devices: Iterable[Device], items: list[Item]) -> Iterator[int]:
    left = sorted(items, reverse=True)
    for device in devices:
        room_mib = device.total_mib - device.reserve_mib - device.foreign_mib - safety_mib(device)
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
