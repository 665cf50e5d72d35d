from __future__ import annotations

from pathlib import Path

import pytest

from worker.settings import from_environment

REDIS = {"HDSMLM_REDIS_URL": "redis://here"}


def test_a_worker_trains_on_the_cpu_where_nothing_else_is_said() -> None:
    settings = from_environment("w1", REDIS)
    assert (settings.device, settings.cgroup) == ("cpu", None)


def test_a_launcher_says_which_device() -> None:
    said = {"HDSMLM_DEVICE": "MIG-1", "HDSMLM_CGROUP": "/sys/fs/cgroup/hdsmlm"}
    settings = from_environment("w1", REDIS | said)
    assert settings.device == "MIG-1"
    assert settings.cgroup == Path("/sys/fs/cgroup/hdsmlm")


def test_a_worker_without_redis_says_who_starts_workers() -> None:
    with pytest.raises(ValueError, match="balancer run"):
        from_environment("w1", {})
