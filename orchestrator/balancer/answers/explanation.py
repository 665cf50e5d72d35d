"""Why a run waits, in numbers: one more pass over the queue, for what stands in the way."""

from __future__ import annotations

import math

from orchestrator.balancer.decision.footprints import MARGIN_UNKNOWN, Learned, cap_mib
from orchestrator.balancer.decision.memory import lease_mib
from orchestrator.balancer.decision.observation import Demand, Observation
from orchestrator.balancer.decision.place import Place
from orchestrator.balancer.decision.reservation import Reservation
from orchestrator.balancer.decision.round import Round
from orchestrator.records import Group


class Reasons:
    """What a decision on an observation leaves waiting, and why."""

    def __init__(self, observation: Observation) -> None:
        found = Round(observation)
        self.board, self.queue, self.placed = found.board, found.queue, found.placed
        self.waiting = {demand.sweep: demand for demand in reversed(found.waiting)}
        """By sweep, the first line of its queue that does not get a place for every run."""
        self.kept_for, self.reservation = found.kept_for, found.reservation

    def head(self, sweep: str) -> str:
        """The first run of the sweep that finds no place; empty where all do."""
        demand = self.waiting.get(sweep)
        return next((run_id for run_id in demand.run_ids if run_id not in self.placed), "") if demand else ""

    def why(self, demand: Demand) -> str:
        """One sentence: what a run of the demand needs, and what the nearest device has."""
        if not self.board.places:
            return "no device is known"
        if never := self.board.infeasible(demand):
            return never
        nearest = max(self.board.places.values(), key=lambda place: self._nearness(place, demand))
        needs = f"needs {gib(self.lease_mib(nearest, demand))}"
        if closed := self.board.why_closed(nearest, demand):
            return f"{needs}; {self._where_closed(nearest, demand)}: {closed}"
        if self._spare_mib(nearest, demand) >= 0:
            return f"{needs}; {self._why_kept(nearest, demand)}"
        most = f"most headroom is {gib(nearest.headroom_mib)} on {nearest.name}"
        return "; ".join(filter(None, (needs, most, self._when(nearest, demand))))

    def in_the_way(self, place: Place, demand: Demand) -> str:
        """What keeps a run of the demand from starting on one device now; empty where nothing does."""
        if closed := self.board.why_closed(place, demand):
            return closed
        spare = self._spare_mib(place, demand)
        if spare < 0:
            return f"{gib(-spare)} too little"
        return "" if self._allows(place, demand) else f"kept for run {short(self._keeper())}"

    def lease_mib(self, place: Place, demand: Demand) -> int:
        """The lease that a run of the demand would get at least on a device."""
        return lease_mib(place.device, self.board.need_mib(place, demand))

    def reserved(self, demand: Demand) -> Reservation | None:
        """The reservation, where the demand has it."""
        return self.reservation if demand is self.kept_for else None

    def run_before(self, reservation: Reservation) -> str:
        """The run after whose end the reserved place will be there; empty where it is not known."""
        here = self.board.places[reservation.device_id].workers
        ends = math.isfinite(reservation.in_s)
        return next((one.run_id for one in here if ends and one.run_id and one.ends_in_s == reservation.in_s), "")

    def _where_closed(self, nearest: Place, demand: Demand) -> str:
        reasons = {self.board.why_closed(place, demand) for place in self.board.places.values()}
        every = len(self.board.places) > 1 and len(reasons) == 1
        return f"each of {len(self.board.places)} devices" if every else nearest.name

    def _why_kept(self, place: Place, demand: Demand) -> str:
        if self._allows(place, demand):
            return f"{place.name} has a place, which it gets next"
        reserved = self.reservation
        soon = f", which starts in {minutes(reserved.in_s)}" if reserved and math.isfinite(reserved.in_s) else ""
        room = f"{gib(place.headroom_mib)} on {place.name}"
        return f"{room} are kept for run {short(self._keeper())} before it{soon}"

    def _keeper(self) -> str:
        demand = self.kept_for
        return next((run_id for run_id in demand.run_ids if run_id not in self.placed), "") if demand else ""

    def _allows(self, place: Place, demand: Demand) -> bool:
        if self.reservation is None or demand is self.kept_for:
            return True
        return self.reservation.allows(place.device.device_id, self.lease_mib(place, demand), demand.expected_s)

    def _nearness(self, place: Place, demand: Demand) -> tuple[bool, bool, int]:
        shunned = self.board.is_shunned(place.device.device_id, demand)
        return (not shunned, not self.board.why_closed(place, demand), self._spare_mib(place, demand))

    def _spare_mib(self, place: Place, demand: Demand) -> int:
        return place.headroom_mib - self.lease_mib(place, demand)

    def _when(self, nearest: Place, demand: Demand) -> str:
        """Where and when it will fit: as reserved, or else at the earliest."""
        reserved = self.reserved(demand)
        found = reserved or self.board.reserve(demand)
        if found is None or math.isinf(found.in_s):
            return ""
        place, before = self.board.places[found.device_id], self.run_before(found)
        where = "there" if place is nearest else f"on {place.name}"
        after = f", after run {short(before)}" if before else ""
        return f"{'will fit' if reserved else 'at the earliest'} {where}{after} in {minutes(found.in_s)}"


def cap_from(group: Group, model: str, learned: Learned, need_mib: int, margin: float = MARGIN_UNKNOWN) -> str:
    """Where the cap of a run on a model of device comes from, as words.

    `need_mib` is what the board gives now: more, while the first run of its signature has not finished.
    """
    predicted = group.predicted_mib(model)
    cap = cap_mib(predicted, learned, margin=margin, fixed=group.fixed)
    changed = f" ×{need_mib / cap:.2g}" if need_mib > cap else ", at most a whole device" if need_mib < cap else ""
    return _source(group, round(predicted * margin), learned, cap, f"predicted ×{margin:.3g}") + changed


def _source(group: Group, first_mib: int, learned: Learned, cap: int, first: str) -> str:
    if learned.floor_mib and cap == learned.floor_mib:
        return f"after {learned.ooms} out-of-memory"
    if group.fixed:
        return "set by a person"
    if learned.finished:
        return f"learned from {learned.finished} finished"
    return "learned from a run under way" if cap > first_mib else first


def short(run_id: str) -> str:
    """The beginning of a run's id."""
    return run_id[:6]


def gib(mib: int) -> str:
    """Memory for people."""
    return f"{mib / 1024:.1f} GiB"


def minutes(seconds: float) -> str:
    """A time to wait, for people."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
