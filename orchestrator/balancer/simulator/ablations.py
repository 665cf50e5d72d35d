"""The balancer with one safeguard taken away, from outside: what each of them is worth.

Nothing in the balancer can be switched off; these change what its parts are shown.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.balancer.accounting import Lease, Rules
from orchestrator.balancer.decision.observation import Observation, WorkerView
from orchestrator.balancer.readings import Reading
from orchestrator.balancer.simulator.held import Held
from orchestrator.balancer.simulator.ours import Ours
from orchestrator.records import WorkerState


class NoLedger(Ours):
    """Others are believed to need what they hold now."""

    def seen(self, observation: Observation) -> Observation:
        """Leases of workers at work are what was measured."""
        return replace(observation, workers=tuple(map(_measured, observation.workers)))


class NoCapOverhead(Ours):
    """Workers are believed to hold no more than their cap."""

    def overhead_mib(self, model: str) -> int:
        """Nothing."""
        return 0

    def seen(self, observation: Observation) -> Observation:
        """What is held beyond a cap is nobody's business."""
        return replace(observation, workers=tuple(map(_within_lease, observation.workers)))


class NoRampRule(Ours):
    """Runs are believed to be steady at once: where a driver tells no processes, what is in use is theirs, up to their
    leases, and others start beside them.
    """

    def lease(self, held: Held, reading: Reading) -> Lease:
        """Attributed while it has a run, where the driver does not attribute."""
        lease = super().lease(held, reading)
        if reading.processes is not None or not held.run_id:
            return lease
        here = [one for one in self.held.values() if one.device_id == held.device_id and one.run_id]
        filled = min(1.0, (reading.total_mib - reading.free_mib) / sum(one.lease_mib for one in here))
        return replace(lease, held_mib=round(filled * held.lease_mib), ramping=False)

    def seen(self, observation: Observation) -> Observation:
        """Nothing ramps, and every driver tells; a worker whose run died where it does not leaves all the same."""
        telling = {device.device_id for device in observation.devices if device.attributed}
        devices = tuple(replace(device, attributed=True) for device in observation.devices)
        workers = tuple(
            replace(worker, ramping=False, spent=worker.settling and worker.device_id not in telling)
            for worker in observation.workers
        )
        return replace(observation, devices=devices, workers=workers)


class NoReleaseRule(Ours):
    """What a dead process held is believed to be free at once."""

    def left(self, held: Held) -> None:
        """The lease ends with the worker."""
        self.held.pop(held.worker_id, None)

    def settling(self, held: Held, reading: Reading, observed_mib: int) -> bool:
        """A run that died left nothing."""
        return False


class NoForeignMaximum(Ours):
    """Foreigners are believed to hold what they hold now, and to take no more."""

    def rules(self) -> Rules:
        """Forget at once, expect nothing."""
        return replace(super().rules(), hold_s=0.0, half_life_s=1e-3, growth_mib=0)


def _within_lease(worker: WorkerView) -> WorkerView:
    return replace(worker, observed_mib=min(worker.observed_mib, worker.lease_mib))


def _measured(worker: WorkerView) -> WorkerView:
    return worker if worker.state is WorkerState.IDLE else replace(worker, lease_mib=worker.observed_mib)
