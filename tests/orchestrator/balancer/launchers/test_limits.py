"""What a worker's container may take, by what the engine can limit."""

from __future__ import annotations

from orchestrator.balancer.launchers.limits import limits, memory_limit, not_limited
from orchestrator.settings import ContainerSettings

EVERYTHING = {"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True}
NOT_DELEGATED = {**EVERYTHING, "CpuCfsQuota": False}
NOTHING = dict.fromkeys(EVERYTHING, False)


def test_an_engine_that_can_limit_everything_is_asked_to() -> None:
    options = limits(memory_limit(1000), ContainerSettings(most_processes=77), 3, EVERYTHING)
    assert options["mem_limit"] == options["memswap_limit"] == "1512m"
    assert options["nano_cpus"] == 3_000_000_000
    assert options["pids_limit"] == 77
    assert not_limited(EVERYTHING) == []


def test_an_engine_that_cannot_limit_processors_is_not_asked_to() -> None:
    asked, could = (limits("1g", ContainerSettings(), 3, engine) for engine in (NOT_DELEGATED, EVERYTHING))
    assert could.keys() - asked.keys() == {"nano_cpus"}
    assert not_limited(NOT_DELEGATED) == ["processors"]


def test_an_engine_without_control_groups_limits_nothing() -> None:
    assert not_limited(NOTHING) == ["memory", "processors", "processes"]
