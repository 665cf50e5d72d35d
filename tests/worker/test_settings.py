from __future__ import annotations

from pathlib import Path

import pytest

from worker.settings import from_environment

REDIS = {"HDSMLM_REDIS_URL": "redis://here"}


def test_without_a_cap_a_worker_takes_what_there_is_on_the_cpu() -> None:
    settings = from_environment("w1", REDIS)
    assert (settings.cap_mib, settings.device, settings.cgroup) == (0, "cpu", None)


def test_a_launcher_says_how_much_of_which_device() -> None:
    said = {"HDSMLM_CAP_MIB": "4096", "HDSMLM_DEVICE": "MIG-1", "HDSMLM_CGROUP": "/sys/fs/cgroup/hdsmlm"}
    settings = from_environment("w1", REDIS | said)
    assert (settings.cap_mib, settings.device) == (4096, "MIG-1")
    assert settings.cgroup == Path("/sys/fs/cgroup/hdsmlm")


@pytest.mark.parametrize("text", ["4GiB", "-1", "4096.0"])
def test_a_cap_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}'; expected whole MiB"):
        from_environment("w1", REDIS | {"HDSMLM_CAP_MIB": text})


def test_a_worker_without_redis_says_who_starts_workers() -> None:
    with pytest.raises(ValueError, match="balancer run"):
        from_environment("w1", {})
