"""The books of every device's memory: whose is what, what foreigners may take back, and what has been given back.

    observed(lease) = memory of its processes where the driver tells it; else what the device gained while it ramped
                      alone
    foreign(device) = max(used − Σ observed, the highest of late, decaying); frozen while own memory is unattributed

A lease whose worker is gone counts until its memory is seen free, or until a time limit: then what is left shows as
foreign memory. No I/O: readings and leases go in, devices come out, and the simulator keeps its books with this code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.balancer.decision.observation import Device
from orchestrator.balancer.foreign import Foreign
from orchestrator.balancer.readings import Reading
from orchestrator.settings import ForeignPolicy
from worker.spec import CPU_DEVICE


@dataclass(frozen=True)
class Limits:
    """What a person has set for one device."""

    reserve_mib: int = 0
    workers: int = 0
    """Most workers at once; 0: what the device bears."""


@dataclass(frozen=True)
class Rules:
    """How the books are kept."""

    poll_s: float = 1.0
    """Time between two readings."""
    slots: int = 8
    """Most workers on a device that sets no limit itself."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """By id or name of the device; `*` for all others."""
    foreign: ForeignPolicy = "share"
    """What a foreign process on a device means: use the rest, use it last, or stay away."""
    hold_s: float = 60.0
    """How long the highest foreign memory is remembered in full."""
    half_life_s: float = 60.0
    """How fast it is forgotten after that."""
    growth_mib: int = 1024
    """How much more a foreign process is expected to take between two readings."""
    release_timeout_s: float = 30.0
    """After which memory that was not given back counts as foreign."""
    negligible_mib: int = 64
    """Foreign memory that is nobody's business."""

    def limits_of(self, reading: Reading) -> Limits:
        """What applies to a device."""
        named = (self.limits.get(key) for key in (reading.device_id, reading.name, "*"))
        return next((limits for limits in named if limits), Limits())


@dataclass(frozen=True)
class Lease:
    """A lease as the ledger and the machine show it."""

    worker_id: str
    device_id: str
    lease_mib: int
    held_mib: int | None
    """Memory of its processes; None where nobody tells."""
    quiet: bool = False
    """Whether its worker has no run, or had none when it left, and so holds nothing of a GPU."""
    ramping: bool = False
    since: float = 0.0
    """When its worker was given its present run, or its last one."""
    gone_at: float = 0.0
    """When its worker was gone; 0: it lives."""


@dataclass(frozen=True)
class Account:
    """The state of the books."""

    devices: tuple[Device, ...]
    observed_mib: Mapping[str, int]
    """By worker."""
    released: frozenset[str]
    """Workers that are gone and whose memory is back."""


@dataclass(frozen=True)
class _Ramp:
    """What a device gained while one run ramped, where the driver does not tell."""

    since: float
    """When the run began."""
    before_mib: int
    alone: bool = True
    gained_mib: int = 0
    at_end_mib: int | None = None
    """Memory in use when it ended."""
    ended_at: float = 0.0

    def is_back(self, used_mib: int) -> bool:
        """Whether the device shows what the run held free again."""
        return self.at_end_mib is not None and self.at_end_mib - used_mib >= 0.9 * self.gained_mib > 0


class Books:
    """Remembers, from reading to reading, what one reading cannot show."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.overheads_mib: Mapping[str, int] = {}
        """What a worker holds beside its run's cap, by model of device."""
        self._foreign = Foreign(rules.hold_s, rules.half_life_s)
        self._ramps: dict[str, _Ramp] = {}
        self._telling: set[str] = set()
        """Models whose driver has told the memory of a process; an empty list may be all that it ever tells."""

    def update(self, readings: Iterable[Reading], leases: Sequence[Lease], now: float) -> Account:
        """Enter what was read and what is leased now."""
        known = {lease.worker_id for lease in leases}
        self._ramps = {name: ramp for name, ramp in self._ramps.items() if name in known}
        devices, observed, released = [], {}, set()
        for reading in readings:
            here = [lease for lease in leases if lease.device_id == reading.device_id]
            used = reading.total_mib - reading.driver_reserved_mib - reading.free_mib
            self._follow_ramps(here, used, reading.at, now)
            observed.update({lease.worker_id: self._observed_mib(lease) for lease in here})
            released |= {lease.worker_id for lease in here if self._is_released(lease, reading, now)}
            own = sum(observed[lease.worker_id] for lease in here)
            foreign = self._foreign_mib(reading, here, used, own, now)
            devices.append(self._device(reading, foreign, now))
        return Account(tuple(devices), observed, frozenset(released))

    def dump(self) -> dict[str, Any]:
        """What the next balancer must know, as JSON values."""
        return self._foreign.dump()

    def load(self, dumped: Mapping[str, Sequence[float]]) -> None:
        """Take over from an earlier balancer."""
        self._foreign.load(dumped)

    def _follow_ramps(self, here: Sequence[Lease], used_mib: int, read_at: float, now: float) -> None:
        blind = [lease for lease in here if lease.held_mib is None]
        ramping = [lease for lease in blind if lease.ramping and not lease.gone_at]
        for lease in blind:
            ramp = self._ramps.get(lease.worker_id)
            if lease.quiet or lease.gone_at:
                self._follow_end(lease.worker_id, ramp, used_mib, now)
            elif ramp is None or ramp.since != lease.since:
                before = used_mib - (ramp.gained_mib if ramp and read_at <= lease.since else 0)
                self._ramps[lease.worker_id] = _Ramp(lease.since, before, alone=ramping == [lease])
            elif lease.ramping:
                self._ramps[lease.worker_id] = replace(ramp, alone=ramp.alone and ramping == [lease])
            elif ramp.alone and not ramp.gained_mib:
                gained = min(max(0, used_mib - ramp.before_mib), lease.lease_mib)
                self._ramps[lease.worker_id] = replace(ramp, gained_mib=gained)

    def _follow_end(self, worker_id: str, ramp: _Ramp | None, used_mib: int, now: float) -> None:
        """A run is over, or its worker gone: what it held is its own until it is seen free."""
        if ramp and ramp.at_end_mib is None:
            self._ramps[worker_id] = replace(ramp, at_end_mib=used_mib, ended_at=now)
        elif ramp and (ramp.is_back(used_mib) or now - ramp.ended_at > self.rules.release_timeout_s):
            self._ramps[worker_id] = replace(ramp, gained_mib=0)

    def _observed_mib(self, lease: Lease) -> int:
        if lease.held_mib is not None:
            return lease.held_mib
        ramp = self._ramps.get(lease.worker_id)
        return ramp.gained_mib if ramp else 0

    def _is_released(self, lease: Lease, reading: Reading, now: float) -> bool:
        if not lease.gone_at:
            return False
        if now - lease.gone_at > self.rules.release_timeout_s:
            return True
        if reading.at <= lease.gone_at:
            return False
        if lease.quiet or lease.held_mib is not None:
            return not lease.held_mib
        ramp = self._ramps.get(lease.worker_id)
        return bool(ramp and ramp.alone and ramp.ended_at and not ramp.gained_mib)

    def _foreign_mib(self, reading: Reading, here: Sequence[Lease], used_mib: int, own_mib: int, now: float) -> int:
        if any(lease.held_mib is None and not lease.quiet and not self._is_attributed(lease) for lease in here):
            return self._foreign.hidden_mib(reading.device_id, used_mib, sum(lease.lease_mib for lease in here), now)
        return self._foreign.now_mib(reading.device_id, used_mib, own_mib, reading.at, now)

    def _is_attributed(self, lease: Lease) -> bool:
        ramp = self._ramps.get(lease.worker_id)
        return bool(ramp and ramp.gained_mib)

    def _device(self, reading: Reading, foreign_mib: int, now: float) -> Device:
        limits = self.rules.limits_of(reading)
        foreigners = foreign_mib > self.rules.negligible_mib
        slots = min(filter(None, (limits.workers, reading.slots)), default=self.rules.slots)
        return Device(
            reading.device_id,
            total_mib=reading.total_mib - reading.driver_reserved_mib,
            free_mib=reading.free_mib,
            slots=slots,
            model=reading.model,
            gpu=reading.gpu,
            name=reading.name or reading.device_id,
            reserve_mib=limits.reserve_mib,
            overhead_mib=self.overheads_mib.get(reading.model, 0),
            foreign_mib=foreign_mib,
            growth_mib=self.rules.growth_mib if foreigners and reading.device_id != CPU_DEVICE else 0,
            safety_mib=_safety_mib(reading),
            attributed=self._is_attributing(reading),
            avoided=foreigners and self.rules.foreign == "avoid",
            trouble=reading.trouble,
            blind=self._why_blind(reading, foreigners, now),
        )

    def _is_attributing(self, reading: Reading) -> bool:
        if reading.processes:
            self._telling.add(reading.model)
        return reading.device_id == CPU_DEVICE or (reading.processes is not None and reading.model in self._telling)

    def _why_blind(self, reading: Reading, foreigners: bool, now: float) -> str:
        if now - reading.at > 2 * self.rules.poll_s + 0.25:
            return f"its last reading is {now - reading.at:.0f} s old"
        if foreigners and self.rules.foreign == "never" and reading.device_id != CPU_DEVICE:
            return "a foreign process is on it, and the settings say never"
        return ""


def _safety_mib(reading: Reading) -> int:
    """Left alone: 256 MiB or 1 %; 15 % of unified memory; 2.5 GiB where processes are hidden (WSL2)."""
    usual = max(256, reading.total_mib // 100)
    if reading.unified:
        return max(usual, reading.total_mib * 15 // 100)
    hidden = reading.processes is None and reading.device_id != CPU_DEVICE
    return max(usual, min(2560, reading.total_mib // 10)) if hidden else usual
