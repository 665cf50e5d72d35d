"""What a fleet would make of a workload: the balancer, and others in its place, on a virtual clock.

`simulate` reads a fleet and a workload and lets a policy run it; `render` tells the result, `picture` draws it. The
balancer takes part as it is: `ours` drives the books, the experience and the policy of the daemon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from orchestrator.balancer.simulator.ablations import (
    NoCapOverhead,
    NoForeignMaximum,
    NoLedger,
    NoRampRule,
    NoReleaseRule,
)
from orchestrator.balancer.simulator.bounds import bounds
from orchestrator.balancer.simulator.drawing import draw
from orchestrator.balancer.simulator.files import read_fleet, read_workload
from orchestrator.balancer.simulator.foresight import Told, Tried
from orchestrator.balancer.simulator.machine import Machine, Policy
from orchestrator.balancer.simulator.ours import Ours
from orchestrator.balancer.simulator.packing import Packing
from orchestrator.balancer.simulator.peers import Fixed, FreeMemory
from orchestrator.balancer.simulator.picture import picture
from orchestrator.balancer.simulator.result import Result, result_of
from orchestrator.balancer.simulator.scenario import Scenario
from orchestrator.balancer.simulator.text import render
from orchestrator.errors import UnknownNameError

__all__ = ["ABLATIONS", "FORESIGHT", "PEERS", "POLICIES", "Result", "picture", "play", "render", "simulate"]

PEERS: Mapping[str, Callable[[], Policy]] = MappingProxyType(
    {
        "one": lambda: Fixed(1),
        "two": lambda: Fixed(2),
        "four": lambda: Fixed(4),
        "free-1s": lambda: FreeMemory(1.0),
        "free-30s": lambda: FreeMemory(30.0),
    }
)
"""What others do."""

ABLATIONS: Mapping[str, Callable[[], Ours]] = MappingProxyType(
    {
        "no-ledger": NoLedger,
        "no-cap-overhead": NoCapOverhead,
        "no-ramp-rule": NoRampRule,
        "no-release-rule": NoReleaseRule,
        "no-foreign-maximum": NoForeignMaximum,
    }
)
"""The balancer with one safeguard taken away."""

FORESIGHT: Mapping[str, Callable[[], Ours]] = MappingProxyType({"tried": Tried, "told": Told})
"""The balancer, told what it can only find out by running."""

POLICIES: Mapping[str, Callable[[], Policy]] = MappingProxyType({"ours": Ours, **PEERS, **FORESIGHT, **ABLATIONS})
"""All that can be simulated, by name."""

_PATIENCE = 40
"""Times the time that all runs take one after the other on one device, after which a policy is stuck."""


def simulate(fleet: Path, workload: Path, *, seed: int, policy: str = "ours") -> Result:
    """Let a policy run a workload on a fleet.

    Raises:
        SearchSpaceError: a file has mistakes; all are told.
        InputError: the files do not fit each other.
        UnknownNameError: no policy is called so.
    """
    if policy not in POLICIES:
        raise UnknownNameError(f"no policy is called '{policy}'; there are {', '.join(POLICIES)}")
    scenario = draw(read_fleet(fleet), read_workload(workload), seed, workload.absolute().parent)
    return play(scenario, policy)


def play(scenario: Scenario, policy: str = "ours", *, packed: bool = True) -> Result:
    """Let a policy run a scenario; `packed` looks for the best packing as well, which takes a while."""
    player, packing = POLICIES[policy](), None
    if packed and isinstance(player, Ours):
        packing = Packing()
        player.lookers.append(packing.look)
    machine = Machine(scenario, player)
    machine.run(_PATIENCE * sum(run.duration_s for run in scenario.runs) + 86_400)
    return result_of(machine, policy, bounds(scenario), packing)
