"""A worker with its lease, as the daemon keeps it, and whether anything has changed since the last decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from orchestrator.balancer.accounting import Account
from orchestrator.balancer.decision.observation import Device
from orchestrator.records import WorkerState

_NOTICED_LOAD = 0.02


@dataclass
class Held:
    """A worker with its lease, as the daemon keeps it."""

    worker_id: str
    sweep: str
    device_id: str
    model: str
    lease_mib: int
    cap_mib: int
    signature: str
    exclusive: bool
    state: WorkerState = WorkerState.STARTING
    run_id: str = ""
    served: int = 0
    idle_since: float = 0.0
    steady: bool = False
    assigned_at: float = 0.0
    settling_since: float = 0.0
    gone_at: float = 0.0
    left_nothing: bool = False
    before_mib: int = 0
    """Memory of the device in use when its run began."""

    @property
    def ramping(self) -> bool:
        """Whether its run may still be taking its memory."""
        return bool(self.run_id) and not self.steady

    def needs_look(self, account: Account) -> bool:
        """Whether time alone may change what is to be done about it."""
        waits = self.gone_at or self.settling_since or self.state is WorkerState.IDLE
        return bool(waits) or account.observed_mib.get(self.worker_id, 0) > self.lease_mib


@dataclass
class Calm:
    """The machine and the queue as they were when nothing could be done."""

    devices: Mapping[str, Device] = field(default_factory=dict)
    loads: Mapping[tuple[str, str], float] = field(default_factory=dict)
    queue: int = -1
    """Changes of the queue up to then."""

    def holds(self, account: Account, held: Collection[Held], loads: Mapping[tuple[str, str], float]) -> bool:
        """Whether there is still nothing to do: no device has gained anything, and no worker needs a look."""
        if not self.devices or any(one.needs_look(account) for one in held):
            return False
        moved = any(abs(load - self.loads.get(name, 9.0)) > _NOTICED_LOAD for name, load in loads.items())
        return not moved and all(_has_no_more(device, self.devices[device.device_id]) for device in account.devices)


def _has_no_more(device: Device, before: Device) -> bool:
    return (
        device.free_mib <= before.free_mib
        and device.foreign_mib >= before.foreign_mib
        and device.growth_mib >= before.growth_mib
        and (bool(device.blind) or not before.blind)
    )
