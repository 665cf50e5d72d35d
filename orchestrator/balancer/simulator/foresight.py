"""The balancer, told for nothing what it can only find out by running: what such knowledge would be worth.

Like the ablations, these change only what the balancer is shown.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.balancer.decision.footprints import MARGIN_FINISHED, MARGIN_MIB
from orchestrator.balancer.decision.observation import Demand, Observation
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.ours import Ours
from orchestrator.balancer.simulator.scenario import Run

_MARGIN_TOLD = 1.03
"""More than runs of one signature differ by."""
_AS_PREDICTED = 0.9


class Told(Ours):
    """Every peak is known."""

    def begin(self, machine: Machine) -> None:
        """Take over an idle machine with everything queued and everything known."""
        largest_last = sorted(machine.scenario.runs, key=lambda run: run.peak_mib)
        self._told_mib = {run.signature: self.told_mib(run) for run in largest_last}
        super().begin(machine)

    def told_mib(self, run: Run) -> int | None:
        """What a run is to be given; None: what it is given without being told."""
        return round(run.peak_mib * _MARGIN_TOLD)

    def seen(self, observation: Observation) -> Observation:
        """Demands are what was told."""
        return replace(observation, demands=tuple(map(self._informed, observation.demands)))

    def _informed(self, demand: Demand) -> Demand:
        told_mib = self._told_mib[demand.signature]
        known = [self.experience.of(demand.signature, model) for model in demand.needs_mib]
        if told_mib is None or any(one.finished or one.ooms for one in known):
            return demand
        return replace(demand, needs_mib=dict.fromkeys(demand.needs_mib, told_mib), unproven=frozenset())


class Tried(Told):
    """Every run was tried for an epoch before. What held less than nine tenths of its prediction may be a late one, and
    is given what it is given untried: late ones hold 0.6 to 0.85 of their peak until long after their first epoch.
    """

    def told_mib(self, run: Run) -> int | None:
        """A little more than the first epoch held."""
        held_mib = run.peak_mib * max(share for at_s, share in run.curve if at_s <= run.epoch_s)
        as_predicted = held_mib >= _AS_PREDICTED * run.predicted_mib
        return round(held_mib * MARGIN_FINISHED) + MARGIN_MIB if as_predicted else None
