"""A data centre's GPUs and a probe that reads them faster than a real one would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.balancer.probes.nvml import NvmlProbe, Pace
from tests.driver.stand_in import Fleet

PACE = Pace(interval_s=0.05, slow_every_s=0.1, silence_s=1.0, restart_s=0.05, retry_s=0.5)
Watch = Callable[..., NvmlProbe]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet.create(tmp_path / "driver", gpus=3)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts a probe of a fleet, and waits for its first poll unless told not to."""
    probes: list[NvmlProbe] = []

    def watch(fleet: Fleet, pace: Pace = PACE, *, wait: bool = True) -> NvmlProbe:
        probe = NvmlProbe(pace, environment=fleet.environment())
        probes.append(probe)
        assert not wait or probe.wait_for_polls(1, 30.0)
        return probe

    yield watch
    for probe in probes:
        probe.close()
