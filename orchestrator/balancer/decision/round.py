"""One pass over the queue: each run gets a place where there is one, and what gets none waits.

`decide` carries out what a pass gives; `balancer explain` reads from another one what stands in the way.
"""

from __future__ import annotations

from orchestrator.balancer.decision.board import Board
from orchestrator.balancer.decision.observation import Assign, Demand, Observation, Refuse, Start
from orchestrator.balancer.decision.priorities import ordered
from orchestrator.balancer.decision.reservation import Reservation


class Round:
    """Every start and assignment is seen by those that follow."""

    def __init__(self, observation: Observation) -> None:
        self._devices = {worker.worker_id: worker.device_id for worker in observation.workers}
        self.board = Board(observation)
        """As the pass leaves it."""
        self.queue = ordered(observation)
        self.given: list[Start | Assign | Refuse] = []
        self.placed: dict[str, str] = {}
        """Runs that have a place, each with its device."""
        self.waiting: list[Demand] = []
        """Lines of which not every run has one."""
        self.kept_for: Demand | None = None
        """The line that has the reservation."""
        self.reservation: Reservation | None = None
        for demand in self.queue:
            self._serve(demand)

    def _serve(self, demand: Demand) -> None:
        """Find a place for one run after the other, until there is none."""
        if message := self.board.infeasible(demand):
            self.given += (Refuse(run_id, message) for run_id in demand.run_ids)
            return
        for run_id in demand.run_ids:
            if not self._place(run_id, demand):
                self._leave_waiting(demand)
                return
        if demand.count > len(demand.run_ids):
            self.waiting.append(demand)

    def _place(self, run_id: str, demand: Demand) -> bool:
        if worker := self.board.expected(demand):
            self.placed[run_id] = worker.device_id
            return True
        action = self.board.place_run(run_id, demand, self.reservation)
        if action is None:
            return False
        self.given.append(action)
        self.placed[run_id] = action.device_id if isinstance(action, Start) else self._devices[action.worker_id]
        return True

    def _leave_waiting(self, demand: Demand) -> None:
        self.waiting.append(demand)
        if self.reservation is None and (reservation := self.board.reserve(demand)):
            self.kept_for, self.reservation = demand, reservation
